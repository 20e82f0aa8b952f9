using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Transport;

/// <summary>Takes what the receive loop has for the transport itself: the identification string, messages below 80, and ping. They go on to the key exchange or the
/// login, or are answered here.</summary>
internal sealed class TransportMessageHandler(
    TransportOptions options, PeerAddress peer, VersionExchange version, KexSession kex, TransportLogin login, TransportLifetime lifetime)
{
    private readonly ILogger _logger = options.Logger;
    private readonly RepeatLimit _remarks = new(options.TimeProvider);

    /// <summary>See <see cref="IMessageExchange.Extensions"/>.</summary>
    public PeerExtensions Extensions { get; private set; } = new();

    /// <summary>Takes bytes of the peer's identification string and returns how many. Once it is complete the key exchange can begin.</summary>
    public int OnVersion(ReadOnlySpan<byte> received)
    {
        int used = version.Read(received);
        if (version.IsComplete)
        {
            kex.RemoteVersion = version.RemoteVersionBytes;
            kex.Start();
        }
        return used;
    }

    /// <summary>One message, after the gate let it through. The receive loop goes on when the result has completed.</summary>
    public ValueTask OnMessage(MessageId id, ReadOnlyMemory<byte> payload)
    {
        var reader = new SshReader(payload.Span[1..]);
        switch (id)
        {
            case MessageId.Disconnect:
                throw TransportError.Disconnected(peer, DisconnectMessage.Read(ref reader));
            case MessageId.Ignore or MessageId.Unimplemented:
                return ValueTask.CompletedTask;
            case MessageId.Debug:
                OnRemark(DebugMessage.Read(ref reader));
                return ValueTask.CompletedTask;
            case MessageId.ExtInfo:
                Extensions = ExtInfo.Parse(payload.Span, Extensions);
                return ValueTask.CompletedTask;
            case MessageId.Ping:
                login.Send(new PongMessage(PingMessage.Read(ref reader).Data));
                return ValueTask.CompletedTask;
            case MessageId.Pong:
                login.OnPong();
                return ValueTask.CompletedTask;
            case MessageId.KexInit or MessageId.NewKeys or (>= MessageId.KexInitValue and < MessageId.UserAuthRequest):
                return ExchangeKeysAsync(id, payload);
            default:
                login.Receive(id, payload.Span);
                return ValueTask.CompletedTask;
        }
    }

    /// <summary>A message whose number nobody has assigned.</summary>
    /// <param name="sequence">The number of its packet, which the answer names.</param>
    public void OnUnknown(uint sequence) => login.Send(new UnimplementedMessage(sequence));

    /// <summary>What a server wants to be seen is told to the person at the client; nobody watches a server's log for what its clients say.</summary>
    private void OnRemark(DebugMessage debug)
    {
        string text = PeerText.Escape(debug.Text, 1024);
        bool isForPeople = lifetime.Connection?.OnRemark(text) != true && debug.AlwaysDisplay && options.Role == SshRole.Client;
        var repeat = isForPeople ? _remarks.Next(text) : Repeat.Hidden;
        _logger.Log(repeat == Repeat.Hidden ? LogLevel.Debug : LogLevel.Information, "Remote: {Text}", text);
        if (repeat == Repeat.Last)
            _logger.LogInformation("{Note}", RepeatLimit.Note);
    }

    /// <summary>Milliseconds of arithmetic: not on the thread that watches all sockets.</summary>
    private async ValueTask ExchangeKeysAsync(MessageId id, ReadOnlyMemory<byte> payload)
    {
        await Task.Yield();
        await kex.ReceiveAsync(id, payload, lifetime.Ended).ConfigureAwait(false);
    }
}
