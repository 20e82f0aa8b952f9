using System.Globalization;
using System.Net.Sockets;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;

namespace Adit.Cli.Background;

/// <summary>The process that goes into the background, started by <see cref="BackgroundLauncher"/>. Until <see cref="DetachAsync"/> it is part of the command that a person
/// waits for: it asks on the terminal, and ends when the one in the foreground does.</summary>
internal sealed class BackgroundChild : IAsyncDisposable
{
    private readonly Socket _foreground;
    private readonly Task _watching;
    private readonly IReadOnlyList<int> _copies = OperatingSystem.IsWindows() ? [] : PosixProcess.StandardCopies();
    private volatile bool _isDetached;

    private BackgroundChild(Socket foreground, BackgroundPurpose purpose)
    {
        _foreground = foreground;
        Purpose = purpose;
        _watching = WatchAsync();
    }

    public BackgroundPurpose Purpose { get; }

    /// <summary>True from the moment on when nobody waits for this process any more.</summary>
    public bool IsDetached => _isDetached;

    /// <summary>Null where this process was not started to go into the background. The marker is taken away: programs that are started from here are other commands.</summary>
    public static BackgroundChild? Adopt()
    {
        var marker = Environment.GetEnvironmentVariable(BackgroundLauncher.Variable);
        if (marker is null || OperatingSystem.IsWindows())
        {
            return null;
        }

        Environment.SetEnvironmentVariable(BackgroundLauncher.Variable, null);
        var answers = Environment.GetEnvironmentVariable(MatchAnswers.Variable);
        Environment.SetEnvironmentVariable(MatchAnswers.Variable, null);
        // What somebody else left in the environment is not for us.
        var child = marker.Split(':') is [var number, var parent, var purpose]
            && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var descriptor)
            && parent == PosixProcess.ParentId().ToString(CultureInfo.InvariantCulture)
            && descriptor > Descriptor.StandardError
            && Enum.TryParse<BackgroundPurpose>(purpose, out var known)
            && PosixProcess.KeepPrivate(descriptor)
                ? new BackgroundChild(new Socket(new SafeSocketHandle(descriptor, ownsHandle: true)), known)
                : null;
        if (child is not null)
        {
            MatchAnswers.Adopt(answers);
        }

        return child;
    }

    /// <summary>Copies of standard output and error for a session that goes on in the background: what it says still goes where the command's output went. To be made
    /// before <see cref="DetachAsync"/>.</summary>
    public static (int Output, int Error) KeepOutput() => OperatingSystem.IsWindows()
        ? (Descriptor.StandardOutput, Descriptor.StandardError)
        : (PosixProcess.Duplicate(Descriptor.StandardOutput), PosixProcess.Duplicate(Descriptor.StandardError));

    /// <summary>Leaves the terminal's session, gives the standard streams up, and lets the foreground go on. What a session writes to has to be kept before
    /// (<see cref="KeepOutput"/>). As with ssh, debug lines alone keep standard error.</summary>
    public async Task DetachAsync(LogOutput log)
    {
        if (_isDetached || OperatingSystem.IsWindows())
        {
            return;
        }

        log.Write(OpenSshLogLevel.Debug1, "forking to background");
        _ = PosixProcess.LeaveSession();
        PosixProcess.Silence([Descriptor.StandardInput, Descriptor.StandardOutput, .. _copies]);
        if (!log.IsStandardError || !log.Shows(OpenSshLogLevel.Debug1))
        {
            PosixProcess.Silence([Descriptor.StandardError]);
        }

        _isDetached = true;
        try
        {
            await _foreground.SendAsync(new byte[1]).ConfigureAwait(false);
        }
        catch (SocketException)
        {
            // It was ended meanwhile, too late to matter.
        }

        _foreground.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        _isDetached = true;
        _foreground.Dispose();
        await _watching.ConfigureAwait(false);
    }

    /// <summary>The foreground process ended although nothing was ready: somebody ended it, and meant the command.</summary>
    private async Task WatchAsync()
    {
        try
        {
            await _foreground.ReceiveAsync(new byte[1]).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The same.
        }

        if (!_isDetached && !OperatingSystem.IsWindows())
        {
            PosixProcess.Kill(Environment.ProcessId, PosixProcess.Terminate);
        }
    }
}
