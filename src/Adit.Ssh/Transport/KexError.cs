using Adit.Ssh.Keys;

namespace Adit.Ssh.Transport;

/// <summary>What a failed key exchange is reported with.</summary>
internal static class KexError
{
    public static SshException KeyTypeMismatch(KexOptions options, string algorithm, PublicKey key) =>
        Failed(options, "key type does not match", $"The server agreed on {algorithm} and sent a host key of type {key.KeyType}.");

    public static SshException IncorrectSignature(KexOptions options) =>
        Failed(options, "incorrect signature", "The server's signature over the key exchange is wrong: it does not have the key it shows, "
            + "or somebody changed the messages on their way.");

    public static SshException GroupOutOfRange(KexOptions options, int bits) =>
        Failed(options, "DH GEX group out of range", $"The server chose a group of {bits} bits, which this side had not asked for.");

    public static SshException NoHostKey(KexOptions options, string algorithm) => Failed(options, $"no host key for {algorithm}", null);

    public static SshException HostKeyChanged(KexOptions options, PublicKey first, PublicKey now) =>
        new(SshError.HostKeyChanged, $"ssh_dispatch_run_fatal: Connection to {options.RemoteAddress} port {options.RemotePort}: host key changed during rekeying")
        {
            DisconnectReason = DisconnectReason.HostKeyNotVerifiable,
            Hint = $"The connection began with {first.KeyType} {first.Fingerprint}; the server now shows {now.KeyType} {now.Fingerprint}. "
                + "No honest server does that within a connection.",
        };

    /// <summary>The connection ended, or the exchange failed, while something was still under way.</summary>
    public static SshException Ended() => new(SshError.Closed, "the key exchange has ended");

    private static SshException Failed(KexOptions options, string message, string? hint) =>
        new(SshError.KeyExchangeFailed, $"ssh_dispatch_run_fatal: Connection to {options.RemoteAddress} port {options.RemotePort}: {message}")
        {
            DisconnectReason = DisconnectReason.KeyExchangeFailed,
            Hint = hint,
        };
}
