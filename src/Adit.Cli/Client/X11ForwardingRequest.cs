using Adit.Cli.Diagnostics;
using Adit.Cli.Sessions;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Client;

/// <summary>-X, -Y and ForwardX11: asks the server, on each session, to let its programs open windows on the display here.</summary>
internal sealed class X11ForwardingRequest : ISessionRequests, IDisposable
{
    private readonly SemaphoreSlim _preparing = new(1);
    private readonly LogOutput _log;
    private readonly Func<string?> _findDisplay;
    private ForwardedDisplay? _display;
    private long _preparedAt;

    private X11ForwardingRequest(Func<string?> findDisplay, LogOutput log) => (_findDisplay, _log) = (findDisplay, log);

    public SessionRequestKind Kind => SessionRequestKind.X11;

    private bool IsTrusted { get; init; }

    /// <summary>Null for no end.</summary>
    private TimeSpan? Timeout { get; init; }

    private string? XAuthPath { get; init; }

    private bool IsNeeded { get; init; }

    /// <summary>Null where no windows are to be forwarded.</summary>
    /// <param name="config">ForwardX11, ForwardX11Trusted, ForwardX11Timeout, XAuthLocation, ExitOnForwardFailure.</param>
    /// <param name="findDisplay">The value of DISPLAY.</param>
    /// <param name="log">For what ssh says about it.</param>
    public static X11ForwardingRequest? Create(SshConfigValues config, Func<string?> findDisplay, LogOutput log) => !config.Get(Keywords.ForwardX11) ? null : new X11ForwardingRequest(findDisplay, log)
    {
        IsTrusted = config.Get(Keywords.ForwardX11Trusted),
        // As OpenSSH: what a trusted program may do it may do without end.
        Timeout = !config.Get(Keywords.ForwardX11Trusted) && config.Get(Keywords.ForwardX11Timeout) is { Ticks: > 0 } timeout ? timeout : null,
        XAuthPath = config.Get(Keywords.XAuthLocation) is { Length: > 0 } path && !path.Equals("none", StringComparison.OrdinalIgnoreCase) ? path : null,
        IsNeeded = config.Get(Keywords.ExitOnForwardFailure),
    };

    public async ValueTask<Task<string?>> RequestAsync(SshSession session, CancellationToken cancellationToken)
    {
        if (await PrepareAsync(cancellationToken).ConfigureAwait(false) is not { } display)
        {
            return Task.FromResult<string?>(null);
        }

        try
        {
            var granted = session.RequestX11Async(display);
            _log.Write(OpenSshLogLevel.Debug1, "Requesting X11 forwarding with authentication spoofing.");
            return RefusalAsync(granted);
        }
        catch (SshException e) when (e.Error == SshError.PolicyDenied)
        {
            _log.Write(OpenSshLogLevel.Error, e.Message);
            return !IsNeeded ? Task.FromResult<string?>(null) : throw new SshException(SshError.PolicyDenied, "Error: forwarding disabled due to host key check failure", e);
        }
    }

    public void Dispose() => _preparing.Dispose();

    private static async Task<string?> RefusalAsync(Task<bool> granted) => await granted.ConfigureAwait(false) ? null : "X11 forwarding";

    /// <summary>The display with its cookie: the same for all sessions, until its time is over. Null, with the reason told, where there is none to forward.</summary>
    private async Task<ForwardedDisplay?> PrepareAsync(CancellationToken cancellationToken)
    {
        await _preparing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_display is null || (Timeout is { } timeout && TimeProvider.System.GetElapsedTime(_preparedAt) >= timeout))
            {
                _preparedAt = TimeProvider.System.GetTimestamp();
                _display = await FindAsync(cancellationToken).ConfigureAwait(false);
            }

            return _display;
        }
        finally
        {
            _preparing.Release();
        }
    }

    private async Task<ForwardedDisplay?> FindAsync(CancellationToken cancellationToken)
    {
        if (_findDisplay() is not { Length: > 0 } name)
        {
            _log.Write(OpenSshLogLevel.Debug1, "X11 forwarding requested but DISPLAY not set");
            return null;
        }

        if (ForwardedDisplay.Parse(name) is not { } display)
        {
            _log.Write(OpenSshLogLevel.Info, $"DISPLAY \"{PeerText.Escape(name, 256)}\" invalid; disabling X11 forwarding");
            return null;
        }

        var xauth = XAuthPath is not null && File.Exists(XAuthPath) ? new XAuth(XAuthPath, _log) : null;
        if (xauth is null)
        {
            _log.Write(OpenSshLogLevel.Debug1, "No xauth program.");
        }

        var entry = xauth is null ? null
            : IsTrusted ? await xauth.ListAsync(name, cancellationToken).ConfigureAwait(false)
            : await xauth.GenerateAsync(name, Timeout, cancellationToken).ConfigureAwait(false);
        if (entry is null && !IsTrusted)
        {
            _log.Write(OpenSshLogLevel.Error, "Warning: untrusted X11 forwarding setup failed: xauth key data not generated");
            _log.Write(OpenSshLogLevel.Info, xauth is null
                ? $"adit: there is no xauth at {XAuthPath ?? "none"} (XAuthLocation)."
                : $"adit: the X server at {name} made no cookie for untrusted programs: it cannot be reached, or lacks the SECURITY extension. -Y forwards with full trust in the server.");
            return null;
        }

        if (entry is null)
        {
            _log.Write(OpenSshLogLevel.Info, "Warning: No xauth data; using fake authentication data for X11 forwarding.");
            return display;
        }

        return display with { AuthorizationName = entry.Protocol, Cookie = entry.Data, Timeout = Timeout };
    }
}
