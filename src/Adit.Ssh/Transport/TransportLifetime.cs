using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Transport;

/// <summary>A connection's beginning and end: both loops are started once or, where it has ended before, never; it ends once, for the first reason given, and
/// everybody is told. docs/shutdown.md draws it.</summary>
[SuppressMessage("Design", "CA1001", Justification = "what it owns is disposed of when the connection has ended")]
internal sealed class TransportLifetime
{
    private static readonly TimeSpan GoodbyeTime = TimeSpan.FromSeconds(1);

    private readonly ByteTransport _bytes;
    private readonly TransportOptions _options;
    private readonly PeerAddress _peer;
    private readonly VersionExchange _version;
    private readonly KexSession _kex;
    private readonly TransportLogin _login;
    private readonly PacketReader _reader;
    private readonly SendQueue _queue;
    private readonly ILogger _logger;
    private readonly TaskCompletionSource _firstKex = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<SshException> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _ended = new();
    private readonly Lock _lock = new(); // guards what is started, and who is told of the end
    private IConnectionHandler? _connection;
    private IHeartbeatHandler? _heartbeat;
    private SshException? _reason;
    private Task _receiving = Task.CompletedTask;
    private Task _sending = Task.CompletedTask;
    private bool _started;
    private bool _connectionTold;

    public TransportLifetime(ByteTransport bytes, TransportOptions options, PeerAddress peer, VersionExchange version, KexSession kex, TransportLogin login,
        PacketReader reader, SendQueue queue)
    {
        _bytes = bytes;
        _options = options;
        _peer = peer;
        _version = version;
        _kex = kex;
        _login = login;
        _reader = reader;
        _queue = queue;
        _logger = options.Logger;
        Ended = _ended.Token; // the source itself is disposed of when the connection has ended
    }

    /// <summary>See <see cref="SshTransport.Reason"/>.</summary>
    public SshException? Reason => Volatile.Read(ref _reason);

    /// <summary>See <see cref="SshTransport.Ended"/>.</summary>
    public CancellationToken Ended { get; }

    /// <summary>See <see cref="SshTransport.Completion"/>.</summary>
    public Task<SshException> Completion => _completion.Task;

    /// <summary>Completes when the first key exchange has, and what came along with it was read. Throws the reason when the connection ends before.</summary>
    public Task FirstKex => _firstKex.Task;

    /// <summary>What takes the messages from 80 up; null before <see cref="Attach"/>.</summary>
    public IConnectionHandler? Connection => _connection;

    /// <summary>Starts both loops, unless the connection has ended: whoever ends it waits for both or knows that there is none.</summary>
    /// <param name="receive">The receive loop.</param>
    /// <param name="heartbeat">Looks at the clock as long as the connection lives.</param>
    public void Start(Func<Task> receive, IHeartbeatHandler heartbeat)
    {
        lock (_lock)
        {
            if (Reason is not null)
                return;
            _started = true;
            if (!_options.IsBare)
            {
                _heartbeat = heartbeat;
                Heartbeat.Of(_options.TimeProvider).Add(heartbeat);
            }
            _sending = Task.Run(_queue.RunAsync, CancellationToken.None);
            // The client does not wait for the server's version line: its KEXINIT does not depend on it, and a round trip is saved.
            if (_options is { Role: SshRole.Client, IsBare: false })
                _kex.Start();
            _receiving = Task.Run(receive, CancellationToken.None);
        }
    }

    /// <summary>The first key exchange is done, or there is none to wait for.</summary>
    public void OnFirstKex() => _firstKex.TrySetResult();

    /// <summary>See <see cref="SshTransport.Attach"/>.</summary>
    public void Attach(IConnectionHandler connection)
    {
        lock (_lock)
        {
            _connection = connection;
            if (!_connectionTold)
                return;
        }
        connection.OnClosed(Reason!);
    }

    /// <summary>See <see cref="SshTransport.End"/>.</summary>
    public void End(SshException reason)
    {
        if (Interlocked.CompareExchange(ref _reason, reason, null) is not null)
            return;
        _ = ShutDownAsync(reason);
    }

    /// <summary>Nothing can be sent any more, but the peer may have said why before it went: what it sent lies in the socket still. So the receive loop has a moment
    /// to come upon that, or upon the end.</summary>
    public async Task EndAfterLastWordsAsync(SshException reason)
    {
        await Task.Yield(); // sending may fail while both loops are being started
        Task receiving;
        lock (_lock)
            receiving = _receiving;
        await Task.WhenAny(receiving, Task.Delay(GoodbyeTime, CancellationToken.None)).ConfigureAwait(false);
        End(reason);
    }

    /// <summary>The reason for a connection that ended without a word.</summary>
    public SshException Lost(Exception? cause) => TransportError.Lost(_peer, early: !_version.IsComplete && !_options.IsBare, cause);

    /// <summary>Runs once, after the reason was set: says goodbye, stops both loops, then tells everybody. Whatever fails on the way, the rest is done.</summary>
    private async Task ShutDownAsync(SshException reason)
    {
        await Task.Yield(); // End may be called while locks are held
        Task receiving, sending;
        IHeartbeatHandler? heartbeat;
        bool started;
        lock (_lock)
            (receiving, sending, heartbeat, started) = (_receiving, _sending, _heartbeat, _started);
        if (heartbeat is not null)
            Heartbeat.Of(_options.TimeProvider).Remove(heartbeat);
        bool isBare = _options.IsBare;
        bool speaks = started && !isBare && ((reason.DisconnectReason != DisconnectReason.None && reason.Error != SshError.Disconnected) || !_version.Rejection.IsEmpty);
        if (speaks)
            await TryAsync(() => SayGoodbyeAsync(reason)).ConfigureAwait(false);
        await TryAsync(_ended.CancelAsync).ConfigureAwait(false); // runs other people's callbacks
        _queue.Close();
        if ((speaks && _options.Role == SshRole.Server) || (started && isBare))
        {
            // Closing with unread bytes would reset the connection and take our last words with it. And OpenSSH's master (9.2) takes back what this process had the server
            // listen on only where it reads our end: where writing to us fails it forgets that the ports were ours, and they stay.
            _bytes.ShutdownSend();
            await Task.WhenAny(receiving, Task.Delay(GoodbyeTime, CancellationToken.None)).ConfigureAwait(false);
        }
        Try(_bytes.Abort);
        await TryAsync(() => Task.WhenAll(receiving, sending)).ConfigureAwait(false);
        Try(() => Tell(reason));
        Try(_queue.Dispose);
        Try(_reader.Dispose);
        Try(_kex.Dispose);
        await TryAsync(() => _bytes.DisposeAsync().AsTask()).ConfigureAwait(false);
        _ended.Dispose();
        _completion.TrySetResult(reason);
    }

    private void Tell(SshException reason)
    {
        _login.Close(reason);
        _firstKex.TrySetException(reason);
        IConnectionHandler? connection;
        lock (_lock)
        {
            connection = _connection;
            _connectionTold = true;
        }
        connection?.OnClosed(reason);
    }

    private void Try(Action step)
    {
        try
        {
            step();
        }
        catch (Exception e)
        {
            _logger.LogDebug(e, "while the connection was closed");
        }
    }

    private async Task TryAsync(Func<Task> step)
    {
        try
        {
            await step().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            _logger.LogDebug(e, "while the connection was closed");
        }
    }

    private async Task SayGoodbyeAsync(SshException reason)
    {
        try
        {
            using var deadline = new CancellationTokenSource(GoodbyeTime);
            if (_version.Rejection is { IsEmpty: false } rest)
            {
                while (!rest.IsEmpty)
                    rest = rest[await _bytes.SendAsync(rest).AsTask().WaitAsync(deadline.Token).ConfigureAwait(false)..];
                return;
            }
            var writer = new SshWriter(256);
            new DisconnectMessage(reason.DisconnectReason, reason.Message).Write(ref writer);
            _queue.SendKex(PacketPool.Shared.Copy(writer.Written), block: false);
            await _queue.WhenDryAsync().WaitAsync(deadline.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // the peer is not there to hear it
        }
    }
}
