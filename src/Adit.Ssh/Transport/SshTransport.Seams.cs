using System.Net.Sockets;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Transport;

/// <summary>What the key exchange, authentication and the send queue see of the transport, and how it ends.</summary>
internal sealed partial class SshTransport : IKexSink, IMessageExchange, ISendQueueOwner
{
    private static readonly TimeSpan GoodbyeTime = TimeSpan.FromSeconds(1);

    private readonly RepeatLimit _remarks;
    private ReadOnlyMemory<byte> _rejection;

    public ReadOnlyMemory<byte> SessionId => _kex.SessionId;

    public PublicKey HostKey => _kex.HostKey ?? throw new InvalidOperationException("no key exchange has completed");

    public ReadOnlyMemory<byte> HostKeySignature => _kex.HostKeySignature;

    public string RemoteVersion => _version.RemoteVersion;

    /// <summary>See <see cref="RekeyPolicy.BytesSent"/>.</summary>
    public long BytesSent => _rekey.BytesSent;

    /// <summary>See <see cref="RekeyPolicy.BytesReceived"/>.</summary>
    public long BytesReceived => _rekey.BytesReceived;

    /// <summary>New keys are being agreed on.</summary>
    public bool IsExchangingKeys => _kex.InProgress;

    public PeerExtensions Extensions { get; private set; } = new();

    public string RemoteAddress { get; }

    public int RemotePort { get; }

    /// <summary>Queues one message ahead of all channel data.</summary>
    public void Send(ReadOnlySpan<byte> payload)
    {
        if (payload[0] == (byte)MessageId.UserAuthRequest)
            _gate.AuthenticationRequestSent();
        if (_gate.Phase == SshPhase.Authentication && TimesLogin && (MessageId)payload[0] is not (MessageId.UserAuthBanner or MessageId.ExtInfo))
            _roundTrip.Asked();
        _queue.SendControl(Copy(payload));
    }

    /// <summary>Queues one message ahead of all channel data.</summary>
    public void Send<T>(in T message)
        where T : ISshMessage<T>
    {
        var writer = new SshWriter(64);
        message.Write(ref writer);
        Send(writer.Written);
    }

    public ValueTask<byte[]> ReceiveAsync(CancellationToken cancellationToken) => _mailbox.TakeAsync(cancellationToken);

    /// <summary>A client's requests are answered in order, however many are under way. A server's answers are followed by the client's next request only where the client
    /// waits for them: one of ours does not, and gets a ping instead.</summary>
    private bool TimesLogin => Role == SshRole.Client || !Quirks.IsAdit;

    public void CompleteAuthentication()
    {
        _gate.EnterConnection();
        OnAuthenticated();
        var packet = Copy([(byte)MessageId.UserAuthSuccess]);
        packet.StartsCompression = true;
        _queue.SendControl(packet);
        if (TimesLogin)
            return;
        _roundTrip.Asked();
        Send(new PingMessage(default));
    }

    void IKexSink.SendKexPacket(ReadOnlySpan<byte> payload)
    {
        var packet = Copy(payload);
        // NEWKEYS waits for its keys, which come in the next call: sent alone it could leave before they are attached.
        if (packet.MessageId == MessageId.NewKeys)
            _newKeys = packet;
        else
            _queue.SendKex(packet, block: packet.MessageId == MessageId.KexInit);
    }

    void IKexSink.SwitchOutbound(PacketSealer sealer, string compression, bool resetSequence)
    {
        var packet = _newKeys ?? throw new InvalidOperationException("keys without NEWKEYS");
        _newKeys = null;
        _queue.SendNewKeys(packet, new OutboundKeys(sealer, compression, resetSequence));
    }

    void IKexSink.SwitchInbound(PacketOpener opener, string compression, bool resetSequence) => _reader.Switch(opener, compression, resetSequence);

    async ValueTask IKexSink.VerifyHostKeyAsync(PublicKey key, CancellationToken cancellationToken)
    {
        if (_options.VerifyHostKey is not { } verify)
        {
            throw new SshException(SshError.HostKeyUnknown, "Host key verification failed.")
            {
                Hint = "no host key verifier was given, so no host key is trusted",
                DisconnectReason = DisconnectReason.HostKeyNotVerifiable,
            };
        }
        // The verifier may be asking a person: the connection's end does not wait for the answer.
        await verify(key, cancellationToken).AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    void IKexSink.KexCompleted(bool first)
    {
        _firstKexDone |= first;
    }

    void ISendQueueOwner.OnSealed()
    {
        if (_rekey.ShouldRekey())
            AskForRekey();
    }

    void ISendQueueOwner.OnSendFault(Exception fault)
    {
        if (fault is SshException ours)
            End(ours);
        else
            _ = EndAfterLastWordsAsync(Lost(fault));
    }

    /// <summary>Nothing can be sent any more, but the peer may have said why before it went: what it sent lies in the socket still. So the receive loop has a moment
    /// to come upon that, or upon the end.</summary>
    private async Task EndAfterLastWordsAsync(SshException reason)
    {
        await Task.Yield(); // sending may fail while both loops are being started
        Task receiving;
        lock (_startLock)
            receiving = _receiving;
        await Task.WhenAny(receiving, Task.Delay(GoodbyeTime, CancellationToken.None)).ConfigureAwait(false);
        End(reason);
    }

    /// <summary>Messages below 80 and ping, after the gate let them through.</summary>
    private ValueTask OnTransportMessage(MessageId id, ReadOnlyMemory<byte> payload)
    {
        var reader = new SshReader(payload.Span[1..]);
        switch (id)
        {
            case MessageId.Disconnect:
                var goodbye = DisconnectMessage.Read(ref reader);
                throw new SshException(SshError.Disconnected,
                    $"Received disconnect from {RemoteAddress} port {RemotePort}:{(uint)goodbye.Reason}: {PeerText.Escape(goodbye.Description, 1024)}")
                {
                    DisconnectReason = goodbye.Reason,
                };
            case MessageId.Ignore or MessageId.Unimplemented:
                return ValueTask.CompletedTask;
            case MessageId.Debug:
                OnRemark(DebugMessage.Read(ref reader));
                return ValueTask.CompletedTask;
            case MessageId.ExtInfo:
                Extensions = ExtInfo.Parse(payload.Span, Extensions);
                return ValueTask.CompletedTask;
            case MessageId.Ping:
                Send(new PongMessage(PingMessage.Read(ref reader).Data));
                return ValueTask.CompletedTask;
            case MessageId.Pong:
                if (!TimesLogin)
                    _roundTrip.Answered();
                return ValueTask.CompletedTask;
            case MessageId.KexInit or MessageId.NewKeys or (>= MessageId.KexInitValue and < MessageId.UserAuthRequest):
                return ExchangeKeysAsync(id, payload);
            case MessageId.UserAuthSuccess:
                OnAuthenticated();
                _writer.OnAuthenticated();
                break;
        }
        if (TimesLogin && id != MessageId.UserAuthBanner)
            _roundTrip.Answered();
        _mailbox.Post(payload.Span);
        return ValueTask.CompletedTask;
    }

    /// <summary>What a server wants to be seen is told to the person at the client; nobody watches a server's log for what its clients say.</summary>
    private void OnRemark(DebugMessage debug)
    {
        string text = PeerText.Escape(debug.Text, 1024);
        bool isForPeople = _connection?.OnRemark(text) != true && debug.AlwaysDisplay && Role == SshRole.Client;
        var repeat = isForPeople ? _remarks.Next(text) : Repeat.Hidden;
        _logger.Log(repeat == Repeat.Hidden ? LogLevel.Debug : LogLevel.Information, "Remote: {Text}", text);
        if (repeat == Repeat.Last)
            _logger.LogInformation("{Note}", RepeatLimit.Note);
    }

    /// <summary>Milliseconds of arithmetic: not on the thread that watches all sockets.</summary>
    private async ValueTask ExchangeKeysAsync(MessageId id, ReadOnlyMemory<byte> payload)
    {
        await Task.Yield();
        await _kex.ReceiveAsync(id, payload, Ended).ConfigureAwait(false);
    }

    private void OnAuthenticated()
    {
        _reader.OnAuthenticated();
        _queue.OnAuthenticated();
        _rekey.AuthenticationCompleted();
    }

    private PacketBuffer Copy(ReadOnlySpan<byte> payload)
    {
        var packet = _pool.Rent(payload.Length);
        packet.PayloadLength = payload.Length;
        payload.CopyTo(packet.Payload);
        return packet;
    }

    /// <summary>The reason for a connection that ended without a word.</summary>
    private SshException Lost(Exception? cause)
    {
        bool reset = cause is SocketException { SocketErrorCode: SocketError.ConnectionReset };
        string what = reset ? "reset" : "closed";
        bool early = !_version.IsComplete && !IsBare;
        string message = early
            ? reset ? "kex_exchange_identification: read: Connection reset by peer\n" : "kex_exchange_identification: Connection closed by remote host\n"
            : "";
        message += $"Connection {what} by {RemoteAddress} port {RemotePort}";
        return new SshException(SshError.ConnectionLost, message, cause)
        {
            Hint = !early ? null : RemoteAddress == "UNKNOWN" ? "what carries the connection (ProxyCommand, a jump host) ended before the server said that it speaks SSH: does it reach the server by itself?" :
                $"{RemoteAddress} port {RemotePort} took the connection and ended it before it said that it speaks SSH: it may be another service, or a server that refuses more logins for now",
        };
    }

    /// <summary>Runs once, after the reason was set: says goodbye, stops both loops, then tells everybody. Whatever fails on the way, the rest is done.</summary>
    private async Task ShutDownAsync(SshException reason)
    {
        await Task.Yield(); // End may be called while locks are held
        Task receiving, sending;
        bool started;
        lock (_startLock)
            (receiving, sending, started) = (_receiving, _sending, _started);
        Heartbeat.Of(_options.TimeProvider).Remove(this);
        bool speaks = started && !IsBare && ((reason.DisconnectReason != DisconnectReason.None && reason.Error != SshError.Disconnected) || !_rejection.IsEmpty);
        if (speaks)
            await TryAsync(() => SayGoodbyeAsync(reason)).ConfigureAwait(false);
        await TryAsync(_ended.CancelAsync).ConfigureAwait(false); // runs other people's callbacks
        _queue.Close();
        if ((speaks && Role == SshRole.Server) || (started && IsBare))
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
        _mailbox.Close(reason);
        _firstKex.TrySetException(reason);
        IConnectionHandler? connection;
        lock (_startLock)
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
            if (!_rejection.IsEmpty)
            {
                for (var rest = _rejection; !rest.IsEmpty;)
                    rest = rest[await _bytes.SendAsync(rest).AsTask().WaitAsync(deadline.Token).ConfigureAwait(false)..];
                return;
            }
            var writer = new SshWriter(256);
            new DisconnectMessage(reason.DisconnectReason, reason.Message).Write(ref writer);
            _queue.SendKex(Copy(writer.Written), block: false);
            await _queue.WhenDryAsync().WaitAsync(deadline.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // the peer is not there to hear it
        }
    }
}
