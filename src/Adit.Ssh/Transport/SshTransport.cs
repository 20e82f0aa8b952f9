using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Transport;

/// <summary>One SSH connection below channels: version and key exchange, then two loops, one that receives and one that sends. Rekeys happen in here and
/// nobody above notices. It ends once, for the first reason given; <see cref="Completion"/> then says which.</summary>
internal sealed partial class SshTransport : IHeartbeatHandler, IAsyncDisposable
{
    private readonly ByteTransport _bytes;
    private readonly TransportOptions _options;
    private readonly ILogger _logger;
    private readonly PacketPool _pool = PacketPool.Shared;
    private readonly PacketReader _reader;
    private readonly PacketWriter _writer;
    private readonly SendQueue _queue;
    private readonly PhaseGate _gate;
    private readonly RekeyPolicy _rekey;
    private readonly KexSession _kex;
    private readonly VersionExchange _version;
    private readonly byte[] _localVersion;
    private readonly MessageMailbox _mailbox = new();
    private readonly TaskCompletionSource _firstKex = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<SshException> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _ended = new();
    private readonly Lock _startLock = new();
    private readonly RoundTripEstimate _roundTrip;
    private IConnectionHandler? _connection;
    private PacketBuffer? _newKeys;
    private SshException? _reason;
    private Task _receiving = Task.CompletedTask;
    private Task _sending = Task.CompletedTask;
    private bool _started;
    private bool _connectionTold;
    private bool _firstKexDone;
    private int _rekeyAsked;
    private long _bytesBeforeLogin;
    private long _receiveCount;

    public SshTransport(ByteTransport bytes, TransportOptions options)
    {
        _bytes = bytes;
        _options = options;
        _logger = options.Logger;
        _remarks = new RepeatLimit(options.TimeProvider);
        Ended = _ended.Token; // the source itself is disposed of when the connection has ended
        var remote = options.RemoteEndPoint ?? bytes.RemoteEndPoint;
        RemoteAddress = remote?.Address.ToString() ?? "UNKNOWN";
        RemotePort = remote?.Port ?? 65535;
        _roundTrip = new RoundTripEstimate(options.TimeProvider);
        _rekey = new RekeyPolicy(options.RekeyLimit, options.TimeProvider);
        _reader = new PacketReader(_rekey, options.IsBare);
        _writer = new PacketWriter(_pool, _rekey, options.IsBare);
        _queue = new SendQueue(bytes, _writer, this);
        _gate = options.IsBare ? PhaseGate.Bare(options.Role) : new PhaseGate(options.Role);
        _version = new VersionExchange(options.Role, _logger);
        _localVersion = VersionExchange.BuildLocal(options.VersionAddendum);
        var kex = new KexOptions
        {
            Algorithms = options.Algorithms,
            HostKeys = options.HostKeys,
            Moduli = options.Moduli,
            KnownHostKeyTypes = options.KnownHostKeyTypes,
            SendGuess = options.SendGuess,
            RekeyLimit = options.RekeyLimit,
            RemoteAddress = RemoteAddress,
            RemotePort = RemotePort,
            Logger = _logger,
        };
        if (options.Role == SshRole.Client)
            _reader.PacketLengthLimit = PacketReader.MaxPacketLength;
        _kex = new KexSession(options.Role, kex, _localVersion, _gate, this);
    }

    public SshRole Role => _options.Role;

    /// <summary>See <see cref="TransportOptions.IsBare"/>.</summary>
    public bool IsBare => _options.IsBare;

    /// <summary>Faults never; its result is why the connection ended.</summary>
    public Task<SshException> Completion => _completion.Task;

    /// <summary>Cancelled when the connection ends.</summary>
    public CancellationToken Ended { get; }

    /// <summary>Why the connection ended, or null while it lives.</summary>
    public SshException? Reason => Volatile.Read(ref _reason);

    public PeerQuirks Quirks => _version.Quirks;

    public NegotiatedAlgorithms? Algorithms => _kex.Algorithms;

    /// <summary>The peer's first SSH_MSG_KEXINIT; null before it. Nobody vouches for it until the first key exchange is done.</summary>
    public KexInitMessage? PeerOffer => _kex.PeerOffer;

    public IPEndPoint? LocalEndPoint => _bytes.LocalEndPoint;

    public IPEndPoint? RemoteEndPoint => _options.RemoteEndPoint ?? _bytes.RemoteEndPoint;

    /// <summary>How long a question and its answer take on this connection when it is idle; null while unknown.</summary>
    public TimeSpan? RoundTrip => _roundTrip.Shortest;

    /// <summary>Counts what arrived, whole packets or parts: whoever watches a silent peer compares it.</summary>
    public long ReceiveCount => Volatile.Read(ref _receiveCount);

    /// <summary>Sends the identification string and the first SSH_MSG_KEXINIT, starts both loops and completes when the first key exchange has.
    /// Throws the reason when the connection ends before.</summary>
    public async Task HandshakeAsync(CancellationToken cancellationToken)
    {
        byte[] line = new byte[_localVersion.Length + 2];
        _localVersion.CopyTo(line, 0);
        line[^2] = (byte)'\r';
        line[^1] = (byte)'\n';
        _logger.LogDebug("Local version string {Version}", System.Text.Encoding.ASCII.GetString(_localVersion));
        try
        {
            for (ReadOnlyMemory<byte> rest = line; rest.Length > 0;)
                rest = rest[await _bytes.SendAsync(rest).ConfigureAwait(false)..];
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            End(Lost(e));
        }
        lock (_startLock)
        {
            if (Reason is null)
            {
                _started = true;
                Heartbeat.Of(_options.TimeProvider).Add(this);
                _sending = Task.Run(_queue.RunAsync, CancellationToken.None);
                // The client does not wait for the server's version line: its KEXINIT does not depend on it, and a round trip is saved.
                if (Role == SshRole.Client)
                    _kex.Start();
                _receiving = Task.Run(ReceiveLoopAsync, CancellationToken.None);
            }
        }
        using var registration = cancellationToken.UnsafeRegister(
            static state => ((SshTransport)state!).End(new SshException(SshError.Timeout, "the connection was given up before the key exchange was done")), this);
        await _firstKex.Task.ConfigureAwait(false);
    }

    /// <summary>In the place of <see cref="HandshakeAsync"/>, where there are no keys to agree on: both loops start. After <see cref="Attach"/>.</summary>
    public void StartBare()
    {
        OnAuthenticated();
        _firstKex.TrySetResult();
        lock (_startLock)
        {
            if (Reason is not null)
                return;
            _started = true;
            _sending = Task.Run(_queue.RunAsync, CancellationToken.None);
            _receiving = Task.Run(ReceiveLoopAsync, CancellationToken.None);
        }
    }

    /// <summary>Connects what takes the messages from 80 up. Before login only. When the connection has ended already it is told at once.</summary>
    public void Attach(IConnectionHandler connection)
    {
        lock (_startLock)
        {
            _connection = connection;
            if (!_connectionTold)
                return;
        }
        connection.OnClosed(Reason!);
    }

    /// <summary>Another RekeyLimit holds from now on.</summary>
    public void SetRekeyLimit(RekeyLimit limit) => _rekey.Change(limit);

    /// <summary>New keys are wanted, whatever the limits say.</summary>
    public void RequestRekey()
    {
        _rekey.Ask();
        AskForRekey();
    }

    /// <summary>A buffer for a payload of up to <paramref name="payload"/> bytes.</summary>
    public PacketBuffer Rent(int payload) => _pool.Rent(payload);

    /// <summary>Queues a control message: ahead of all channel data, in order among themselves. Without <paramref name="flush"/> it waits for the next <see cref="Flush"/>.</summary>
    public void SendControl(ReadOnlySpan<byte> payload, bool flush) => _queue.SendControl(Copy(payload), flush);

    /// <summary>Queues a packet in a channel's lane.</summary>
    public void Send(SendLane lane, PacketBuffer packet, bool flush = true) => _queue.Send(lane, packet, flush);

    /// <summary>Sends what was queued without flush.</summary>
    public void Flush() => _queue.Kick();

    /// <summary>Completes when everything queued so far has left.</summary>
    public Task WhenSentAsync() => _queue.WhenDryAsync();

    /// <summary>Bytes the lane may add now; 0 until its callback was called.</summary>
    public int RoomFor(SendLane lane) => _queue.RoomFor(lane);

    /// <summary>Ends the connection: the first reason wins. A reason with a code is sent as SSH_MSG_DISCONNECT.</summary>
    public void End(SshException reason)
    {
        if (Interlocked.CompareExchange(ref _reason, reason, null) is not null)
            return;
        _ = ShutDownAsync(reason);
    }

    void IHeartbeatHandler.OnHeartbeat()
    {
        if (_rekey.ShouldRekey())
            AskForRekey();
    }

    public async ValueTask DisposeAsync()
    {
        // A client that gives up before it is logged in hangs up without a word, as ssh does: servers log that as what it is.
        bool speaks = Role == SshRole.Server || _gate.Phase == SshPhase.Connection;
        End(new SshException(SshError.Closed, "the connection was closed") { DisconnectReason = speaks ? DisconnectReason.ByApplication : DisconnectReason.None });
        await _completion.Task.ConfigureAwait(false);
    }

    private async Task ReceiveLoopAsync()
    {
        int streak = 0;
        try
        {
            while (true)
            {
                int room = _reader.GetReceiveSpan().Length;
                int count = _bytes.TryReceive(_reader.GetReceiveSpan());
                if (count == ByteTransport.WouldBlock)
                {
                    _reader.ReleaseIfEmpty();
                    await _bytes.WaitReadableAsync().ConfigureAwait(false);
                    streak = 0;
                    continue;
                }
                if (count == 0)
                {
                    End(Lost(null));
                    return;
                }
                if (Reason is not null)
                {
                    _reader.Discard(); // the peer's last words are read so that ours are not reset away
                    continue;
                }
                _reader.Received(count);
                Volatile.Write(ref _receiveCount, _receiveCount + 1);
                if (_gate.Phase != SshPhase.Connection)
                    CountBeforeLogin(count);
                if (!_version.IsComplete && !_options.IsBare)
                    ReadVersion();
                while (true)
                {
                    var pending = DispatchBuffered(out bool more);
                    await pending.ConfigureAwait(false);
                    if (!more)
                        break;
                }
                // Not before what came along with NEWKEYS was read: EXT_INFO tells the login what the server can do.
                if (_firstKexDone)
                    _firstKex.TrySetResult();
                _connection?.OnBatchEnd();
                if (_rekey.ShouldRekey())
                    AskForRekey();
                if (count < room)
                {
                    // Drained: asking again now would be one system call for nothing.
                    _reader.ReleaseIfEmpty();
                    await _bytes.WaitReadableAsync().ConfigureAwait(false);
                    streak = 0;
                }
                else if (ThreadTurn.IsOver(ref streak))
                {
                    await ThreadTurn.NextAsync();
                }
            }
        }
        catch (SshException e)
        {
            _logger.LogDebug("{Fault}", e.Message);
            await EndReceivingAsync(e).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            await EndReceivingAsync(Lost(e)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (Reason is not null)
        {
            // the key exchange was given up because the connection is over
        }
        catch (Exception e)
        {
            _logger.LogError(e, "internal error in the receive loop");
            await EndReceivingAsync(new SshException(SshError.Unknown, $"internal error: {e.Message}", e) { DisconnectReason = DisconnectReason.ByApplication }).ConfigureAwait(false);
        }
    }

    /// <summary>Ends the connection from within the receive loop. What came before the fatal packet is delivered while it still lies in our buffer. Then the
    /// peer's last words are read until it hangs up or <see cref="ShutDownAsync"/> does, for closing with unread bytes would reset ours away.</summary>
    private async Task EndReceivingAsync(SshException reason)
    {
        try
        {
            _connection?.OnBatchEnd();
            End(reason);
            _reader.Discard();
            for (int count = 1; count != 0 && reason.Error != SshError.ConnectionLost;)
            {
                count = _bytes.TryReceive(_reader.GetReceiveSpan());
                if (count != ByteTransport.WouldBlock)
                    continue;
                _reader.ReleaseIfEmpty(); // hundreds may be ending at once
                await _bytes.WaitReadableAsync().ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            _logger.LogTrace(e, "nothing more can be received");
            End(reason);
        }
    }

    /// <summary>Handles packets until the buffer holds no whole one (<paramref name="more"/> false) or one needs awaiting.</summary>
    private ValueTask DispatchBuffered(out bool more)
    {
        more = false;
        if (!_version.IsComplete && !_options.IsBare)
            return ValueTask.CompletedTask;
        while (Reason is null)
        {
            uint sequence = _reader.Sequence;
            if (!_reader.TryRead(out var payload))
                break;
            byte number = payload.Span[0];
            switch (_gate.Check(number))
            {
                case GateVerdict.Accept:
                    break;
                case GateVerdict.Ignore:
                    continue;
                case GateVerdict.Unimplemented:
                    Send(new UnimplementedMessage(sequence));
                    continue;
                default:
                    throw _gate.Violation(number);
            }
            if (number >= 80 && number < (byte)MessageId.Ping)
            {
                _connection!.OnMessage((MessageId)number, payload);
                if (_reader.PayloadIsTransient)
                    _connection.OnBatchEnd();
                continue;
            }
            var pending = OnTransportMessage((MessageId)number, payload);
            if (!pending.IsCompletedSuccessfully)
            {
                _connection?.OnBatchEnd();
                more = true;
                return pending;
            }
        }
        return ValueTask.CompletedTask;
    }

    private void ReadVersion()
    {
        try
        {
            _reader.Consume(_version.Read(_reader.Unread));
        }
        catch (SshException)
        {
            if (_version.Rejection.Length > 0)
                _rejection = _version.Rejection;
            throw;
        }
        if (!_version.IsComplete)
            return;
        _kex.RemoteVersion = _version.RemoteVersionBytes;
        _kex.Start();
    }

    private void CountBeforeLogin(int count)
    {
        _bytesBeforeLogin += count;
        if (_bytesBeforeLogin > _options.MaxBytesBeforeLogin)
            throw new SshException(SshError.ResourceLimit, "too much data before login") { DisconnectReason = DisconnectReason.ProtocolError };
    }

    /// <summary>New keys are due. Whoever notices may hold the session's lock or be the sender, so the session is started from the pool.</summary>
    private void AskForRekey()
    {
        if (_options.IsBare || _kex.InProgress || Interlocked.Exchange(ref _rekeyAsked, 1) != 0)
            return;
        ThreadPool.UnsafeQueueUserWorkItem(static transport =>
        {
            Volatile.Write(ref transport._rekeyAsked, 0);
            if (transport.Reason is null && transport._rekey.ShouldRekey())
                transport._kex.Start();
        }, this, preferLocal: false);
    }
}
