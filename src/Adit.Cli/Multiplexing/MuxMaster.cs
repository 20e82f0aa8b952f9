using System.Net.Sockets;
using System.Runtime.InteropServices;
using Adit.Cli.Background;
using Adit.Cli.Client;
using Adit.Cli.Diagnostics;
using Adit.Cli.Sessions;
using Adit.Cli.Terminal;
using Adit.Ssh;

namespace Adit.Cli.Multiplexing;

/// <summary>Shares a connection: listens at ControlPath and lets other processes of the same user run sessions and set up forwards over it.</summary>
internal sealed class MuxMaster : IAsyncDisposable
{
    /// <summary>How long accepting pauses when there are no descriptors left.</summary>
    private static readonly TimeSpan AcceptPause = TimeSpan.FromSeconds(1);

    private readonly MasterSettings _master;
    private readonly LogOutput _log;
    private readonly Socket _listener;
    private readonly CancellationTokenSource _listening = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _terminated = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private readonly Dictionary<MuxPassenger, Task> _passengers = [];
    private readonly PosixSignalRegistration? _windowChange;
    private readonly Task _accepting;
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _lastUse = TimeProvider.System.GetTimestamp();

    private MuxMaster(MasterSettings master, Socket listener, SshClient client, ForwardBook forwards, ClientSettings settings, LogOutput log)
    {
        (_master, _listener, _log) = (master, listener, log);
        (Client, Forwards, Settings) = (client, forwards, settings);
        _windowChange = OperatingSystem.IsWindows() ? null : PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => ChangeWindows());
        _accepting = AcceptAsync();
    }

    public SshClient Client { get; }

    public ForwardBook Forwards { get; }

    public ClientSettings Settings { get; }

    public LogOutput Log => _log;

    /// <summary>What the session of a client that wants agent or X11 forwarding is asked for.</summary>
    public IReadOnlyList<ISessionRequests> Requests { get; init; } = [];

    /// <summary>ObscureKeystrokeTiming for one more session with a terminal, as OpenSSH's master keeps it for all its channels that have one; null where it is not kept.</summary>
    public KeystrokePacer? NewPacer() => KeystrokePacer.Create(_master.KeystrokeInterval, Client);

    /// <summary>Completes when a client asked for the end of the connection.</summary>
    public Task Terminated => _terminated.Task;

    /// <summary>Completes when a client asked that nobody else comes.</summary>
    public Task Stopped => _stopped.Task;

    /// <summary>Starts listening. Null where ControlPath is taken: then the connection is not shared.</summary>
    /// <exception cref="SshException">The socket cannot be made.</exception>
    public static MuxMaster? Start(
        MasterSettings master, SshClient client, ForwardTable forwards, ClientSettings settings, IReadOnlyList<ISessionRequests> requests, LogOutput log)
    {
        log.Write(OpenSshLogLevel.Debug1, "setting up multiplex master socket");
        if (!DescriptorPassing.IsSupported)
        {
            log.Write(OpenSshLogLevel.Error, "adit: sharing a connection (ControlMaster) is built for Linux only; going on without.");
            return null;
        }

        if (ControlSocket.Listen(master.Path) is { } listener)
        {
            return new MuxMaster(master, listener, client, new ForwardBook(client, forwards, settings, log), settings, log) { Requests = requests };
        }

        // With ControlPersist the command then runs over the other one: nothing is amiss.
        var level = settings.Background is { Purpose: BackgroundPurpose.Master } ? OpenSshLogLevel.Debug1 : OpenSshLogLevel.Error;
        log.Write(level, $"ControlSocket {master.Path} already exists, disabling multiplexing");
        return null;
    }

    /// <summary>Whether the person lets a client do something: always, unless ControlMaster says to ask. No answer but Enter and "yes" is a no.</summary>
    public async Task<bool> MayAsync(string question, CancellationToken cancellationToken)
    {
        if (!_master.Asks)
        {
            return true;
        }

        // Always by the program: the terminal is a session's.
        using var prompter = new OpenSshPrompter(_log, name => name == "SSH_ASKPASS_REQUIRE" ? "force" : Environment.GetEnvironmentVariable(name));
        return await prompter.AskAsync(question, echo: true, cancellationToken).ConfigureAwait(false) is { } answer
            && (answer.Length == 0 || answer.Equals("yes", StringComparison.OrdinalIgnoreCase));
    }

    public void Terminate() => _terminated.TrySetResult();

    /// <summary>Takes the socket away; who is there stays.</summary>
    public void StopListening()
    {
        if (_listening.IsCancellationRequested)
        {
            return;
        }

        _listening.Cancel();
        _listener.Dispose();
        try
        {
            File.Delete(_master.Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Somebody took the folder away.
        }

        _stopped.TrySetResult();
    }

    /// <summary>Completes when no client is there and no forward carries a connection.</summary>
    public async Task WhenUnusedAsync()
    {
        while (true)
        {
            Task[] passengers;
            lock (_lock)
            {
                passengers = [.. _passengers.Values];
            }

            if (passengers.Length == 0 && Client.ActiveConnections == 0)
            {
                return;
            }

            await Task.WhenAll([.. passengers, Client.WhenNoConnectionsAsync()]).ConfigureAwait(false);
        }
    }

    /// <summary>Completes when a master without a session of its own has nothing more to do: a client said so, or that nobody else comes and the last has gone, or
    /// ControlPersist's time has passed.</summary>
    public async Task WhenNeedlessAsync()
    {
        var idle = _master.Persist is { Enabled: true, Timeout: { } timeout } ? WhenUnusedForAsync(timeout) : Stopped;
        await Task.WhenAny(Terminated, Stopped, idle).ConfigureAwait(false);
        if (Stopped.IsCompleted && !Terminated.IsCompleted)
        {
            await Task.WhenAny(Terminated, WhenUnusedAsync()).ConfigureAwait(false);
        }
    }

    /// <summary>Completes when nothing has used the connection for so long.</summary>
    public async Task WhenUnusedForAsync(TimeSpan timeout)
    {
        while (true)
        {
            await WhenUnusedAsync().ConfigureAwait(false);
            Task news;
            long last, through = Forwards.Connections;
            lock (_lock)
            {
                (news, last) = (_news.Task, _lastUse);
            }

            var rest = timeout - TimeProvider.System.GetElapsedTime(last);
            if (rest > TimeSpan.Zero)
            {
                await Task.WhenAny(Task.Delay(rest), news).ConfigureAwait(false);
            }

            if (Forwards.Connections != through)
            {
                Volatile.Write(ref _lastUse, TimeProvider.System.GetTimestamp()); // when exactly its last connection ended is not known
            }
            else if (!news.IsCompleted && rest <= TimeSpan.Zero && Client.ActiveConnections == 0)
            {
                return;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        StopListening();
        await _accepting.ConfigureAwait(false);
        await _stopping.CancelAsync().ConfigureAwait(false);
        Task[] passengers;
        lock (_lock)
        {
            passengers = [.. _passengers.Values];
        }

        await Task.WhenAll(passengers).ConfigureAwait(false);
        _windowChange?.Dispose();
        Forwards.Dispose();
        _listening.Dispose();
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        await Task.Yield();
        while (!_listening.IsCancellationRequested)
        {
            try
            {
                var socket = await _listener.AcceptAsync(_listening.Token).ConfigureAwait(false);
                if (IsOurs(socket))
                {
                    Serve(socket);
                }
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e)
            {
                _log.Write(OpenSshLogLevel.Error, $"channel_post_mux_listener: accept: {e.Message}");
                await Task.WhenAny(Task.Delay(AcceptPause), _stopped.Task).ConfigureAwait(false);
            }
        }
    }

    /// <summary>The socket's mode keeps others out; this does where modes of sockets mean nothing, and for root alone it makes an exception.</summary>
    private bool IsOurs(Socket socket)
    {
        uint peer = DescriptorPassing.PeerUserId(socket), own = DescriptorPassing.UserId();
        if (peer == 0 || peer == own)
        {
            return true;
        }

        _log.Write(OpenSshLogLevel.Error, $"multiplex uid mismatch: peer euid {peer} != uid {own}");
        socket.Dispose();
        return false;
    }

    private void Serve(Socket socket)
    {
        var passenger = new MuxPassenger(this, new MuxConnection(socket));
        lock (_lock)
        {
            _lastUse = TimeProvider.System.GetTimestamp();
            var news = _news;
            _news = new(TaskCreationOptions.RunContinuationsAsynchronously);
            news.TrySetResult();
            _passengers[passenger] = ServeAsync(passenger);
        }
    }

    private async Task ServeAsync(MuxPassenger passenger)
    {
        await Task.Yield();
        try
        {
            await passenger.RunAsync(_stopping.Token).ConfigureAwait(false);
        }
        finally
        {
            lock (_lock)
            {
                _passengers.Remove(passenger);
                _lastUse = TimeProvider.System.GetTimestamp();
            }
        }
    }

    private void ChangeWindows()
    {
        MuxPassenger[] passengers;
        lock (_lock)
        {
            passengers = [.. _passengers.Keys];
        }

        foreach (var passenger in passengers)
        {
            passenger.ChangeWindow();
        }
    }
}
