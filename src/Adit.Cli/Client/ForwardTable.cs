using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Client;

/// <summary>The forwards of a connection: those that were asked for at its start, and those that come and go later. Tells how each went in ssh's words.</summary>
internal sealed class ForwardTable(SshClient client, ClientSettings settings, LogOutput log) : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly List<(ForwardSpecification Specification, IAsyncDisposable Forward)> _forwards = [];

    /// <summary>Those that are up.</summary>
    public IReadOnlyList<ForwardSpecification> Specifications
    {
        get
        {
            lock (_lock)
            {
                return [.. _forwards.Select(forward => forward.Specification)];
            }
        }
    }

    /// <summary>Those that are up, with what ends each.</summary>
    public IReadOnlyList<(ForwardSpecification Specification, IAsyncDisposable Forward)> Entries
    {
        get
        {
            lock (_lock)
            {
                return [.. _forwards];
            }
        }
    }

    /// <summary>Asks the server for what the settings want it to listen on. False when something failed and ExitOnForwardFailure says that this ends the connection.</summary>
    public Task<bool> RequestAsync(CancellationToken cancellationToken) => RemoteRequests.MakeAsync(client, settings, log, Add, cancellationToken);

    /// <summary>One more. Throws <see cref="SshException"/> when it cannot be.</summary>
    public async Task AddAsync(ForwardSpecification specification, CancellationToken cancellationToken)
    {
        if (specification.Kind == ForwardKind.Remote)
        {
            var forward = await RemoteRequests.AskAsync(client, specification, settings, cancellationToken).ConfigureAwait(false);
            Add(specification, forward);
            RemoteRequests.Announce(forward, settings, log);
        }
        else
        {
            Add(specification, await ListenAsync(specification, cancellationToken).ConfigureAwait(false));
        }
    }

    /// <summary>Stops listening at an address, written as ssh takes it; connections live on. False where nothing listens there.</summary>
    public async Task<bool> CancelAsync(ForwardKind kind, ForwardAddress listen)
    {
        (ForwardSpecification, IAsyncDisposable Forward)[] found;
        lock (_lock)
        {
            found = [.. _forwards.Where(forward => forward.Specification.Kind == kind && IsSame(kind, forward.Specification.Listen, listen))];
            _forwards.RemoveAll(forward => found.Contains(forward));
        }

        foreach (var (_, forward) in found)
        {
            await forward.DisposeAsync().ConfigureAwait(false);
        }

        return found.Length > 0;
    }

    /// <summary>Stops one of <see cref="Entries"/>. False where somebody was faster.</summary>
    public async Task<bool> RemoveAsync(IAsyncDisposable forward)
    {
        lock (_lock)
        {
            if (_forwards.RemoveAll(entry => entry.Forward == forward) == 0)
            {
                return false;
            }
        }

        await forward.DisposeAsync().ConfigureAwait(false);
        return true;
    }

    /// <summary>Local listeners stop. What the server listens on ends with the connection.</summary>
    public async ValueTask DisposeAsync()
    {
        IAsyncDisposable[] local;
        lock (_lock)
        {
            local = [.. _forwards.Where(forward => forward.Specification.Kind != ForwardKind.Remote).Select(forward => forward.Forward)];
            _forwards.Clear();
        }

        foreach (var forward in local)
        {
            await forward.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static bool IsSame(ForwardKind kind, ForwardAddress one, ForwardAddress other) =>
        one.IsUnix ? one.Path == other.Path : !other.IsUnix && one.Port == other.Port && BindName(kind, one.Host) == BindName(kind, other.Host);

    /// <summary>What ssh compares: for local ones no address, "localhost" and all addresses are one; for remote ones what the server is told.</summary>
    private static string? BindName(ForwardKind kind, string? host) => host switch
    {
        null or "localhost" => kind == ForwardKind.Remote ? "localhost" : null,
        "" or "*" => kind == ForwardKind.Remote ? "" : null,
        _ => host,
    };

    /// <summary>One that was set up elsewhere.</summary>
    public void Add(ForwardSpecification specification, IAsyncDisposable forward)
    {
        lock (_lock)
        {
            _forwards.Add((specification, forward));
        }
    }

    /// <summary>Binds what the settings want listened on here. False as with <see cref="RequestAsync"/>.</summary>
    public async Task<bool> ListenAsync(CancellationToken cancellationToken)
    {
        ForwardSpecification[] wanted = [.. settings.LocalForwards, .. settings.DynamicForwards];
        var bound = 0;
        foreach (var specification in wanted)
        {
            try
            {
                Add(specification, await ListenAsync(specification, cancellationToken).ConfigureAwait(false));
                bound++;
            }
            catch (SshException e) when (e.Error == SshError.ForwardFailed)
            {
                ReportBind(specification.Listen, e);
            }
        }

        // As ssh does: without ExitOnForwardFailure the connection stays up even when nothing could be bound; the line comes then, or when it is fatal.
        bool fatal = bound < wanted.Length && settings.ExitOnForwardFailure;
        if (fatal || (bound == 0 && wanted.Length > 0))
        {
            log.Write(OpenSshLogLevel.Error, "Could not request local forwarding.");
        }

        return !fatal;
    }

    private async Task<Forward> ListenAsync(ForwardSpecification specification, CancellationToken cancellationToken)
    {
        var listen = specification.Listen;
        log.Write(OpenSshLogLevel.Debug1, $"Local connections to {Describe(listen)} forwarded to remote address {specification.Destination?.ToString() ?? "socks:0"}");
        var forward = specification.Destination is { } destination
            ? await client.ForwardLocalAsync(listen, destination, settings.Listen, cancellationToken).ConfigureAwait(false)
            : await client.ForwardDynamicAsync(listen, settings.Listen, cancellationToken).ConfigureAwait(false);
        Announce(forward);
        return forward;
    }

    private string Describe(ForwardAddress listen) =>
        listen.IsUnix || listen.Host is not null ? listen.ToString() : $"{(settings.Listen.GatewayPorts ? "*" : "LOCALHOST")}:{listen.Port}";

    /// <summary>Tells that a local one could not be bound.</summary>
    public void ReportBind(ForwardAddress listen, SshException error)
    {
        foreach (var line in ErrorReporter.Lines(new SshException(error.Error, error.Message)))
        {
            log.Write(OpenSshLogLevel.Error, line);
        }

        var summary = listen.IsUnix ? null : $"channel_setup_fwd_listener_tcpip: cannot listen to port: {listen.Port}";
        if (summary is not null && error.Message.StartsWith("bind ", StringComparison.Ordinal))
        {
            log.Write(OpenSshLogLevel.Error, summary);
        }

        foreach (var line in ErrorReporter.Hints(error.Hint))
        {
            log.Write(OpenSshLogLevel.Error, line);
        }
    }

    /// <summary>Tells a person that the tunnel stands. Scripts, which expect silence, see nothing.</summary>
    private void Announce(Forward forward)
    {
        if (!log.IsTerminal && !log.Shows(OpenSshLogLevel.Debug1))
        {
            return;
        }

        foreach (var bound in forward.Bound)
        {
            log.Write(OpenSshLogLevel.Info, $"adit: {bound} -> {forward.Destination?.ToString() ?? "wherever SOCKS clients ask to go"} via {settings.Options.UserName}@{settings.Host}");
        }
    }
}
