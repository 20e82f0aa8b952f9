using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Transport;

/// <summary>One SSH connection below channels: version and key exchange, then two loops, one that receives and one that sends. Rekeys happen in here and
/// nobody above notices. It ends once, for the first reason given; <see cref="Completion"/> then says which.
/// <para>It puts the parts together and is all that the layers above see of them: <see cref="ReceiveLoop"/> and <see cref="SendQueue"/>, <see cref="KexSession"/>,
/// <see cref="TransportLogin"/>, and <see cref="TransportLifetime"/>, which starts and ends it all.</para></summary>
internal sealed class SshTransport : IMessageExchange, ISendQueueOwner, IAsyncDisposable
{
    private readonly ByteTransport _bytes;
    private readonly TransportOptions _options;
    private readonly PeerAddress _peer;
    private readonly PacketPool _pool = PacketPool.Shared;
    private readonly SendQueue _queue;
    private readonly PhaseGate _gate;
    private readonly RekeyPolicy _rekey;
    private readonly VersionExchange _version;
    private readonly byte[] _localVersion;
    private readonly KexSession _kex;
    private readonly TransportLogin _login;
    private readonly TransportLifetime _lifetime;
    private readonly TransportMessageHandler _messages;
    private readonly RekeyStarter _rekeyStarter;
    private readonly ReceiveLoop _receiveLoop;

    public SshTransport(ByteTransport bytes, TransportOptions options)
    {
        _bytes = bytes;
        _options = options;
        _peer = PeerAddress.Of(options.RemoteEndPoint ?? bytes.RemoteEndPoint);
        _rekey = new RekeyPolicy(options.RekeyLimit, options.TimeProvider);
        var reader = new PacketReader(_rekey, options.IsBare);
        if (options.Role == SshRole.Client)
            reader.PacketLengthLimit = PacketReader.MaxPacketLength;
        var writer = new PacketWriter(_pool, _rekey, options.IsBare);
        _queue = new SendQueue(bytes, writer, this);
        _gate = options.IsBare ? PhaseGate.Bare(options.Role) : new PhaseGate(options.Role);
        _version = new VersionExchange(options.Role, options.Logger);
        _localVersion = VersionExchange.BuildLocal(options.VersionAddendum);
        var kexSink = new TransportKexSink(options, _queue, reader);
        _kex = new KexSession(options.Role, BuildKexOptions(options, _peer), _localVersion, _gate, kexSink);
        _login = new TransportLogin(options, _version, _gate, _rekey, reader, writer, _queue);
        _lifetime = new TransportLifetime(bytes, options, _peer, _version, _kex, _login, reader, _queue);
        _messages = new TransportMessageHandler(options, _peer, _version, _kex, _login, _lifetime);
        _rekeyStarter = new RekeyStarter(_rekey, _kex, _lifetime, options.IsBare);
        _receiveLoop = new ReceiveLoop(bytes, options, reader, _gate, _version, kexSink, _messages, _rekeyStarter, _lifetime);
    }

    public SshRole Role => _options.Role;

    /// <summary>See <see cref="TransportOptions.IsBare"/>.</summary>
    public bool IsBare => _options.IsBare;

    /// <summary>Faults never; its result is why the connection ended.</summary>
    public Task<SshException> Completion => _lifetime.Completion;

    /// <summary>Cancelled when the connection ends.</summary>
    public CancellationToken Ended => _lifetime.Ended;

    /// <summary>Why the connection ended, or null while it lives.</summary>
    public SshException? Reason => _lifetime.Reason;

    public PeerQuirks Quirks => _version.Quirks;

    public NegotiatedAlgorithms? Algorithms => _kex.Algorithms;

    /// <summary>The peer's first SSH_MSG_KEXINIT; null before it. Nobody vouches for it until the first key exchange is done.</summary>
    public KexInitMessage? PeerOffer => _kex.PeerOffer;

    /// <summary>New keys are being agreed on.</summary>
    public bool IsExchangingKeys => _kex.InProgress;

    public ReadOnlyMemory<byte> SessionId => _kex.SessionId;

    public PublicKey HostKey => _kex.HostKey ?? throw new InvalidOperationException("no key exchange has completed");

    public ReadOnlyMemory<byte> HostKeySignature => _kex.HostKeySignature;

    public string RemoteVersion => _version.RemoteVersion;

    public PeerExtensions Extensions => _messages.Extensions;

    public string RemoteAddress => _peer.Host;

    public int RemotePort => _peer.Port;

    public IPEndPoint? LocalEndPoint => _bytes.LocalEndPoint;

    public IPEndPoint? RemoteEndPoint => _options.RemoteEndPoint ?? _bytes.RemoteEndPoint;

    /// <summary>How long a question and its answer take on this connection when it is idle; null while unknown.</summary>
    public TimeSpan? RoundTrip => _login.RoundTrip;

    /// <summary>Counts what arrived, whole packets or parts: whoever watches a silent peer compares it.</summary>
    public long ReceiveCount => _receiveLoop.ReceiveCount;

    /// <summary>See <see cref="RekeyPolicy.BytesSent"/>.</summary>
    public long BytesSent => _rekey.BytesSent;

    /// <summary>See <see cref="RekeyPolicy.BytesReceived"/>.</summary>
    public long BytesReceived => _rekey.BytesReceived;

    /// <summary>Sends the identification string and the first SSH_MSG_KEXINIT, starts both loops and completes when the first key exchange has.
    /// Throws the reason when the connection ends before.</summary>
    public async Task HandshakeAsync(CancellationToken cancellationToken)
    {
        byte[] line = new byte[_localVersion.Length + 2];
        _localVersion.CopyTo(line, 0);
        line[^2] = (byte)'\r';
        line[^1] = (byte)'\n';
        _options.Logger.LogDebug("Local version string {Version}", System.Text.Encoding.ASCII.GetString(_localVersion));
        try
        {
            for (ReadOnlyMemory<byte> rest = line; rest.Length > 0;)
                rest = rest[await _bytes.SendAsync(rest).ConfigureAwait(false)..];
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            End(_lifetime.Lost(e));
        }
        _lifetime.Start(_receiveLoop.RunAsync, _rekeyStarter);
        using var registration = cancellationToken.UnsafeRegister(
            static state => ((SshTransport)state!).End(new SshException(SshError.Timeout, "the connection was given up before the key exchange was done")), this);
        await _lifetime.FirstKex.ConfigureAwait(false);
    }

    /// <summary>In the place of <see cref="HandshakeAsync"/>, where there are no keys to agree on: both loops start. After <see cref="Attach"/>.</summary>
    public void StartBare()
    {
        _login.OnAuthenticated();
        _lifetime.OnFirstKex();
        _lifetime.Start(_receiveLoop.RunAsync, _rekeyStarter);
    }

    /// <summary>Connects what takes the messages from 80 up. Before login only. When the connection has ended already it is told at once.</summary>
    public void Attach(IConnectionHandler connection) => _lifetime.Attach(connection);

    /// <summary>Another RekeyLimit holds from now on.</summary>
    public void SetRekeyLimit(RekeyLimit limit) => _rekey.Change(limit);

    /// <summary>New keys are wanted, whatever the limits say.</summary>
    public void RequestRekey() => _rekeyStarter.Request();

    /// <summary>A buffer for a payload of up to <paramref name="payload"/> bytes.</summary>
    public PacketBuffer Rent(int payload) => _pool.Rent(payload);

    /// <summary>Queues a control message: ahead of all channel data, in order among themselves. Without <paramref name="flush"/> it waits for the next <see cref="Flush"/>.</summary>
    public void SendControl(ReadOnlySpan<byte> payload, bool flush) => _queue.SendControl(_pool.Copy(payload), flush);

    /// <summary>Queues a packet in a channel's lane.</summary>
    public void Send(SendLane lane, PacketBuffer packet, bool flush = true) => _queue.Send(lane, packet, flush);

    /// <summary>Queues one message ahead of all channel data.</summary>
    public void Send(ReadOnlySpan<byte> payload) => _login.Send(payload);

    /// <summary>Queues one message ahead of all channel data.</summary>
    public void Send<T>(in T message)
        where T : ISshMessage<T> => _login.Send(in message);

    /// <summary>Sends what was queued without flush.</summary>
    public void Flush() => _queue.Kick();

    /// <summary>Completes when everything queued so far has left.</summary>
    public Task WhenSentAsync() => _queue.WhenDryAsync();

    /// <summary>Bytes the lane may add now; 0 until its callback was called.</summary>
    public int RoomFor(SendLane lane) => _queue.RoomFor(lane);

    public ValueTask<byte[]> ReceiveAsync(CancellationToken cancellationToken) => _login.ReceiveAsync(cancellationToken);

    public void CompleteAuthentication() => _login.Complete();

    /// <summary>Ends the connection: the first reason wins. A reason with a code is sent as SSH_MSG_DISCONNECT.</summary>
    public void End(SshException reason) => _lifetime.End(reason);

    public async ValueTask DisposeAsync()
    {
        // A client that gives up before it is logged in hangs up without a word, as ssh does: servers log that as what it is.
        bool speaks = Role == SshRole.Server || _gate.Phase == SshPhase.Connection;
        End(new SshException(SshError.Closed, "the connection was closed") { DisconnectReason = speaks ? DisconnectReason.ByApplication : DisconnectReason.None });
        await Completion.ConfigureAwait(false);
    }

    void ISendQueueOwner.OnSealed() => _rekeyStarter.StartIfDue();

    void ISendQueueOwner.OnSendFault(Exception fault)
    {
        if (fault is SshException ours)
            End(ours);
        else
            _ = _lifetime.EndAfterLastWordsAsync(_lifetime.Lost(fault));
    }

    private static KexOptions BuildKexOptions(TransportOptions options, PeerAddress peer) => new()
    {
        Algorithms = options.Algorithms,
        HostKeys = options.HostKeys,
        Moduli = options.Moduli,
        KnownHostKeyTypes = options.KnownHostKeyTypes,
        SendGuess = options.SendGuess,
        RekeyLimit = options.RekeyLimit,
        RemoteAddress = peer.Host,
        RemotePort = peer.Port,
        Logger = options.Logger,
    };
}
