using Adit.Ssh.Cryptography;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Transport;

/// <summary>The debug1 lines of a key exchange in OpenSSH's words: scripts look for them.</summary>
internal static class KexLog
{
    public static void Negotiated(ILogger logger, SshRole role, NegotiatedAlgorithms algorithms)
    {
        if (!logger.IsEnabled(LogLevel.Debug))
            return;
        logger.LogDebug("kex: algorithm: {Name}", algorithms.KeyExchange);
        logger.LogDebug("kex: host key algorithm: {Name}", algorithms.HostKey);
        var (inbound, outbound) = role == SshRole.Client ? ("server->client", "client->server") : ("client->server", "server->client");
        Direction(logger, inbound, algorithms.Inbound(role));
        Direction(logger, outbound, algorithms.Outbound(role));
    }

    /// <summary>"expecting SSH2_MSG_KEX_ECDH_REPLY" and the like.</summary>
    public static void Expecting(ILogger logger, KeyExchangeKind kind, MessageId id) => logger.LogDebug("expecting {Name}", Name(kind, id));

    public static void Received(ILogger logger, KeyExchangeKind kind, MessageId id) => logger.LogDebug("{Name} received", Name(kind, id));

    /// <summary>What OpenSSH calls message <paramref name="id"/> in this kind of method.</summary>
    public static string Name(KeyExchangeKind kind, MessageId id) => (kind, id) switch
    {
        (_, MessageId.NewKeys) => "SSH2_MSG_NEWKEYS",
        (KeyExchangeKind.DhGroupExchange, MessageId.KexReplyValue) => "SSH2_MSG_KEX_DH_GEX_GROUP",
        (_, MessageId.KexDhGexInit) => "SSH2_MSG_KEX_DH_GEX_INIT",
        (_, MessageId.KexDhGexReply) => "SSH2_MSG_KEX_DH_GEX_REPLY",
        (_, MessageId.KexDhGexRequest) => "SSH2_MSG_KEX_DH_GEX_REQUEST",
        (_, MessageId.KexInitValue) => "SSH2_MSG_KEX_ECDH_INIT",
        (_, MessageId.KexReplyValue) => "SSH2_MSG_KEX_ECDH_REPLY",
        _ => id.ToString(),
    };

    private static void Direction(ILogger logger, string direction, DirectionAlgorithms algorithms) =>
        logger.LogDebug("kex: {Direction} cipher: {Cipher} MAC: {Mac} compression: {Compression}",
            direction, algorithms.Cipher, algorithms.Mac ?? "<implicit>", algorithms.Compression);
}
