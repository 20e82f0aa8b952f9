using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Authentication;

/// <summary>What the server's answer to a request was.</summary>
internal enum ClientReplyKind
{
    Success,
    Failure,
    PartialSuccess,

    /// <summary>Message 60, whose meaning depends on the method: PK_OK, PASSWD_CHANGEREQ, INFO_REQUEST.</summary>
    MethodMessage,
}

/// <summary>One answer.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Methods">Methods that can continue, for a failure or a partial success.</param>
/// <param name="Payload">The whole message, for <see cref="ClientReplyKind.MethodMessage"/>.</param>
internal sealed record ClientReply(ClientReplyKind Kind, IReadOnlyList<string> Methods, byte[] Payload)
{
    /// <summary>Reads the message of the method; any other number there is a protocol error.</summary>
    public T Read<T>()
        where T : ISshMessage<T>
    {
        var reader = new SshReader(Payload.AsSpan(1));
        return T.Read(ref reader);
    }
}

/// <summary>The client's side of the conversation: sends requests, takes answers in order, shows banners whenever they come. Sending and waiting are
/// separate steps, so that several requests can be under way before the first answer is awaited.</summary>
internal sealed class ClientConversation(IMessageExchange exchange, ClientAuthenticationOptions options)
{
    private const int MaxBanners = 256;
    private const int MaxBannerText = 64 * 1024;

    private int _banners;
    private int _bannerText;

    public IMessageExchange Exchange => exchange;

    public ClientAuthenticationOptions Options => options;

    public ILogger Logger => options.Logger;

    /// <summary>"user@host", fit to be shown.</summary>
    public string Destination { get; } = PeerText.Escape($"{options.UserName}@{options.Host}", 300);

    /// <summary>The beginning of a request of <paramref name="method"/>.</summary>
    public AuthRequestHeader Header(string method) => new(options.UserName, options.Service, method);

    /// <summary>The next message that is no banner.</summary>
    public async ValueTask<byte[]> ReceiveAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            byte[] payload = await exchange.ReceiveAsync(cancellationToken).ConfigureAwait(false);
            if (payload.Length == 0)
                throw SshException.Protocol("empty message");
            if ((MessageId)payload[0] != MessageId.UserAuthBanner)
                return payload;
            ShowBanner(payload);
        }
    }

    /// <summary>The answer to the request that is under way.</summary>
    public async ValueTask<ClientReply> ReceiveReplyAsync(CancellationToken cancellationToken)
    {
        byte[] payload = await ReceiveAsync(cancellationToken).ConfigureAwait(false);
        switch ((MessageId)payload[0])
        {
            case MessageId.UserAuthSuccess:
                new SshReader(payload.AsSpan(1)).EnsureEnd();
                return new ClientReply(ClientReplyKind.Success, [], []);
            case MessageId.UserAuthFailure:
                var reader = new SshReader(payload.AsSpan(1));
                var failure = AuthFailureMessage.Read(ref reader);
                return new ClientReply(failure.PartialSuccess ? ClientReplyKind.PartialSuccess : ClientReplyKind.Failure, failure.Methods, []);
            case MessageId.UserAuthMethod60:
                return new ClientReply(ClientReplyKind.MethodMessage, [], payload);
            default:
                throw SshException.Protocol($"unexpected message {payload[0]} from the server during authentication");
        }
    }

    /// <summary>Like <see cref="ReceiveReplyAsync"/>, where the method has no message of its own left to send.</summary>
    public async ValueTask<ClientReply> ReceiveFinalReplyAsync(CancellationToken cancellationToken)
    {
        var reply = await ReceiveReplyAsync(cancellationToken).ConfigureAwait(false);
        return reply.Kind != ClientReplyKind.MethodMessage
            ? reply
            : throw SshException.Protocol($"unexpected message {reply.Payload[0]} from the server during authentication");
    }

    private void ShowBanner(byte[] payload)
    {
        if (++_banners > MaxBanners)
            throw SshException.Protocol($"the server sent more than {MaxBanners} banners");
        var reader = new SshReader(payload.AsSpan(1));
        var banner = AuthBannerMessage.Read(ref reader);
        int room = MaxBannerText - _bannerText;
        if (room <= 0 || banner.Text.Length == 0)
            return;
        _bannerText += Math.Min(room, banner.Text.Length);
        options.Banner?.Invoke(PeerText.Escape(banner.Text, room, keepLines: true));
    }
}
