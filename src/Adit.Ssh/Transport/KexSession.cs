using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Transport;

/// <summary>The key exchange of one connection, first and later ones, for both roles: a state machine that is fed with messages and does no I/O.
/// What lies between KEXINIT and NEWKEYS is its <see cref="KexSide"/>'s. docs/kex-and-rekey.md draws it.
/// <para>The receive loop awaits <see cref="ReceiveAsync"/>; <see cref="Start"/> may be called by anyone at any time.</para></summary>
internal sealed class KexSession : IDisposable
{
    private readonly Lock _lock = new(); // guards the beginning and the end of a run; in between only the receive loop touches it
    private readonly KexOptions _options;
    private readonly PhaseGate _gate;
    private readonly IKexSink _sink;
    private readonly KexSide _side;
    private readonly ILogger _logger;
    private volatile KexRun? _run;
    private volatile bool _outboundBlocked;
    private volatile bool _ended;
    private byte[] _sessionId = [];

    /// <param name="localVersion">Our identification string without CR LF.</param>
    /// <param name="gate">Learns from this session which messages are legal.</param>
    public KexSession(SshRole role, KexOptions options, ReadOnlyMemory<byte> localVersion, PhaseGate gate, IKexSink sink)
    {
        Role = role;
        _options = options;
        _gate = gate;
        _sink = sink;
        _side = role == SshRole.Client ? new KexClient(options, localVersion, sink) : new KexServer(options, localVersion, sink);
        _logger = options.Logger;
    }

    public SshRole Role { get; }

    /// <summary>The peer's identification string without CR LF. Needed before its first message is received, not before <see cref="Start"/>.</summary>
    public ReadOnlyMemory<byte> RemoteVersion
    {
        get => _side.RemoteVersion;
        set => _side.RemoteVersion = value;
    }

    /// <summary>True from the first KEXINIT of either side until NEWKEYS went both ways.</summary>
    public bool InProgress => _run is not null;

    /// <summary>True from just before our KEXINIT is handed to the sink until our NEWKEYS was: nothing but key exchange packets may leave.</summary>
    public bool OutboundBlocked => _outboundBlocked;

    /// <summary>Both sides offered strict key exchange.</summary>
    public bool StrictKex { get; private set; }

    /// <summary>The exchange hash of the first key exchange; empty before it.</summary>
    public ReadOnlyMemory<byte> SessionId => _sessionId;

    /// <summary>What the last completed exchange chose.</summary>
    public NegotiatedAlgorithms? Algorithms { get; private set; }

    /// <summary>The host key that signed: the server's as the client verified it, or our own.</summary>
    public PublicKey? HostKey => _side.HostKey;

    /// <summary>Client: the signature of that key over <see cref="SessionId"/>, as the server sent it. Empty on a server.</summary>
    public ReadOnlyMemory<byte> HostKeySignature => _side.HostKeySignature;

    /// <summary>The peer's first KEXINIT said that it understands SSH_MSG_EXT_INFO. The session itself sends ours, right after our first NEWKEYS.</summary>
    public bool PeerSentExtInfoMarker { get; private set; }

    /// <summary>The peer's first KEXINIT.</summary>
    public KexInitMessage? PeerOffer { get; private set; }

    /// <summary>Sends our KEXINIT, unless a key exchange is in progress already.</summary>
    public void Start()
    {
        lock (_lock)
        {
            if (!_ended && _run is null)
                BeginRun();
        }
    }

    /// <summary>Takes message 20, 21 or 30–49 after <see cref="PhaseGate.Check"/> accepted it. <paramref name="payload"/> starts with the number and is not
    /// kept. Throws <see cref="SshException"/> when the exchange fails; the connection is over then.</summary>
    public async ValueTask ReceiveAsync(MessageId id, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        EnsureAlive();
        try
        {
            if (id == MessageId.KexInit)
                OnKexInit(payload.Span);
            else if (id == MessageId.NewKeys)
                OnNewKeys(payload.Span);
            else
                await OnMethodMessageAsync(id, payload, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            // After a failure nothing may go on with half of an exchange.
            Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _ended = true;
            _run?.Dispose();
            _run = null;
        }
    }

    /// <summary>Under the lock: sends our KEXINIT and, where that was asked for, the packet that we guess is right.</summary>
    private KexRun BeginRun()
    {
        var run = new KexRun(_sessionId);
        KeyExchangeAlgorithm? guess = null;
        if (run.IsFirst && Role == SshRole.Client && _options.SendGuess && _options.Algorithms.KeyExchange.Count > 0)
            guess = Cryptography.Algorithms.FindKeyExchange(_options.Algorithms.KeyExchange[0]);

        run.Local = KexProposal.Build(Role, _options, run.IsFirst, guess is not null);
        _run = run;
        _outboundBlocked = true;
        _sink.SendKexPacket(run.Local.Payload);
        _logger.LogDebug("SSH2_MSG_KEXINIT sent");
        if (guess is not null)
        {
            run.GuessSent = true;
            _side.Begin(run, guess);
        }
        return run;
    }

    private void OnKexInit(ReadOnlySpan<byte> payload)
    {
        var remote = KexProposal.Parse(payload);
        KexRun run;
        lock (_lock)
        {
            EnsureAlive();
            if (_run is { Remote: not null })
                throw SshException.Protocol("unexpected SSH_MSG_KEXINIT during key exchange");
            run = _run ?? BeginRun();
            run.Remote = remote;
        }
        _logger.LogDebug("SSH2_MSG_KEXINIT received");
        if (run.IsFirst)
        {
            PeerOffer = remote.Message;
            ReadFlags(remote.Message);
        }
        _gate.PeerKexInit(StrictKex);

        run.Algorithms = KexNegotiation.Negotiate(Role, run.Local!.Message, remote.Message, _options.RemoteAddress, _options.RemotePort);
        KexLog.Negotiated(_logger, Role, run.Algorithms);
        bool guessIsRight = KexNegotiation.GuessIsRight(run.Local.Message, remote.Message);
        if (remote.Message.FirstKexPacketFollows && !guessIsRight)
        {
            run.SkipPacket = true;
            _gate.WrongGuessFollows();
        }

        var method = Cryptography.Algorithms.FindKeyExchange(run.Algorithms.KeyExchange)
            ?? throw new SshException(SshError.NoCommonAlgorithm, $"key exchange method {run.Algorithms.KeyExchange} is not implemented");
        if (!run.GuessSent || !guessIsRight)
            _side.Begin(run, method);
        KexLog.Expecting(_logger, method.Kind, run.Expected);
    }

    /// <summary>The flags in the peer's first KEXINIT; later ones may carry them and mean nothing by it.</summary>
    private void ReadFlags(KexInitMessage remote)
    {
        var (extInfo, strict) = Role == SshRole.Client
            ? (KexNegotiation.ExtInfoServer, KexNegotiation.StrictServer)
            : (KexNegotiation.ExtInfoClient, KexNegotiation.StrictClient);
        PeerSentExtInfoMarker = remote.KeyExchange.Contains(extInfo);
        StrictKex = _options.OfferStrict && remote.KeyExchange.Contains(strict);
        if (!StrictKex)
            return;
        _logger.LogTrace("will use strict KEX ordering");
        // Whatever came before could have been put there to shift the sequence numbers (CVE-2023-48795).
        if (!_gate.KexInitWasFirst)
            throw SshException.Protocol("strict KEX violation: KEXINIT was not the first packet");
    }

    private async ValueTask OnMethodMessageAsync(MessageId id, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        var run = _run;
        if (run?.Remote is null)
            throw SshException.Protocol($"unexpected key exchange message {(byte)id}");
        if (run.SkipPacket)
        {
            run.SkipPacket = false;
            _logger.LogTrace("skipped a packet: the peer's guess was wrong");
            return;
        }
        if (id != run.Expected)
            throw SshException.Protocol($"unexpected key exchange message {(byte)id} (expecting {KexLog.Name(run.Method!.Kind, run.Expected)})");
        KexLog.Received(_logger, run.Method!.Kind, id);
        if (await _side.ReceiveAsync(run, id, payload, cancellationToken).ConfigureAwait(false) is { } secret)
            SwitchOutbound(run, secret);
    }

    /// <summary>Both sides know the secret: NEWKEYS leaves, and everything behind it uses the new keys. Erases the secret.</summary>
    private void SwitchOutbound(KexRun run, KexSecret secret)
    {
        var algorithms = run.Algorithms!;
        PacketSealer sealer;
        using (secret)
        {
            sealer = KexKeys.CreateSealer(secret, Role, algorithms.Outbound(Role));
            run.Opener = KexKeys.CreateOpener(secret, Role == SshRole.Client ? SshRole.Server : SshRole.Client, algorithms.Inbound(Role));
        }
        _sessionId = secret.SessionId;
        run.Expected = MessageId.NewKeys;

        ulong blocks = RekeyPolicy.MaxBlocks(sealer.BlockSize, _options.RekeyLimit.Bytes);
        _sink.SendKexPacket([(byte)MessageId.NewKeys]);
        _sink.SwitchOutbound(sealer, algorithms.Outbound(Role).Compression, resetSequence: StrictKex);
        _outboundBlocked = false;
        _logger.LogDebug("rekey out after {Blocks} blocks", blocks);
        _logger.LogDebug("SSH2_MSG_NEWKEYS sent");
        if (run.IsFirst && PeerSentExtInfoMarker)
            SendExtInfo();
        KexLog.Expecting(_logger, run.Method!.Kind, MessageId.NewKeys);
    }

    /// <summary>RFC 8308, section 2.4: the packet right after the sender's first NEWKEYS.</summary>
    private void SendExtInfo()
    {
        _logger.LogDebug("Sending SSH2_MSG_EXT_INFO");
        if (Role == SshRole.Server)
        {
            _sink.SendKexPacket(ExtInfo.BuildServer(_options.Algorithms.PublicKey));
            return;
        }
        _gate.ExtInfoInAuthAnnounced();
        _sink.SendKexPacket(ExtInfo.BuildClient());
    }

    private void OnNewKeys(ReadOnlySpan<byte> payload)
    {
        var run = _run;
        if (run is null || run.Expected != MessageId.NewKeys || run.SkipPacket)
            throw SshException.Protocol("unexpected SSH_MSG_NEWKEYS");
        KexPacket.Parse<NewKeysMessage>(payload);
        _logger.LogDebug("SSH2_MSG_NEWKEYS received");

        var opener = run.TakeOpener();
        _logger.LogDebug("rekey in after {Blocks} blocks", RekeyPolicy.MaxBlocks(opener.BlockSize, _options.RekeyLimit.Bytes));
        _sink.SwitchInbound(opener, run.Algorithms!.Inbound(Role).Compression, resetSequence: StrictKex);
        _gate.PeerNewKeys();
        lock (_lock)
        {
            Algorithms = run.Algorithms;
            run.Dispose();
            _run = null;
        }
        _sink.KexCompleted(run.IsFirst);
    }

    private void EnsureAlive()
    {
        if (_ended)
            throw KexError.Ended();
    }
}
