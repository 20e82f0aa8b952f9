using System.Security.Cryptography;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Transport;

/// <summary>A KEXINIT as it went over the wire: the exchange hash covers those bytes, the negotiation reads the message.</summary>
internal sealed record KexProposal(KexInitMessage Message, byte[] Payload)
{
    /// <summary>Ours, with a fresh cookie.</summary>
    /// <param name="first">The connection's first: it carries the flags for SSH_MSG_EXT_INFO and strict key exchange, later ones do not.</param>
    /// <param name="guess">A packet of the preferred method follows at once.</param>
    public static KexProposal Build(SshRole role, KexOptions options, bool first, bool guess)
    {
        var names = options.Algorithms;
        IReadOnlyList<string> keyExchange = [.. names.KeyExchange.Where(name => !KexNegotiation.IsPseudoAlgorithm(name))];
        if (first)
        {
            var (extInfo, strict) = role == SshRole.Client
                ? (KexNegotiation.ExtInfoClient, KexNegotiation.StrictClient)
                : (KexNegotiation.ExtInfoServer, KexNegotiation.StrictServer);
            keyExchange = options.OfferStrict ? [.. keyExchange, extInfo, strict] : [.. keyExchange, extInfo];
        }
        var message = new KexInitMessage
        {
            Cookie = RandomNumberGenerator.GetBytes(KexInitMessage.CookieLength),
            KeyExchange = keyExchange,
            HostKey = HostKeyAlgorithms(role, options),
            CiphersClientToServer = names.Ciphers,
            CiphersServerToClient = names.Ciphers,
            MacsClientToServer = names.Macs,
            MacsServerToClient = names.Macs,
            CompressionClientToServer = names.Compression,
            CompressionServerToClient = names.Compression,
            FirstKexPacketFollows = guess,
        };
        var writer = new SshWriter(1536);
        message.Write(ref writer);
        return new KexProposal(message, writer.ToArray());
    }

    /// <summary>The peer's.</summary>
    public static KexProposal Parse(ReadOnlySpan<byte> payload) => new(KexPacket.Parse<KexInitMessage>(payload), payload.ToArray());

    /// <summary>A client asks for key types it knows first; a server offers what its host keys can sign.</summary>
    private static IReadOnlyList<string> HostKeyAlgorithms(SshRole role, KexOptions options)
    {
        if (role == SshRole.Client)
            return KexNegotiation.OrderHostKeyAlgorithms(options.Algorithms.HostKey, options.KnownHostKeyTypes);
        string[] usable = [.. options.Algorithms.HostKey.Where(name =>
            options.HostKeys.Any(key => key.PublicKey.SignatureAlgorithms.Contains(name)))];
        return usable.Length > 0 ? usable : throw new SshException(SshError.Configuration, "no hostkeys available")
        {
            DisconnectReason = DisconnectReason.KeyExchangeFailed,
            Hint = $"None of the {options.HostKeys.Count} host keys can sign with any of HostKeyAlgorithms ({string.Join(',', options.Algorithms.HostKey)}).",
        };
    }
}
