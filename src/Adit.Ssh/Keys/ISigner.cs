namespace Adit.Ssh.Keys;

/// <summary>Something that signs with one key: a private key in memory, a key file whose passphrase is asked for on first use, an agent's key, an HSM.</summary>
public interface ISigner
{
    /// <summary>The key that verifies its signatures (or the certificate for it).</summary>
    PublicKey PublicKey { get; }

    /// <summary>What a person knows it by: a file's path or the agent's comment. May be empty.</summary>
    string Comment { get; }

    /// <summary>Signs <paramref name="data"/> and returns the signature blob (string algorithm, string signature). A certificate form of
    /// <paramref name="algorithm"/> signs with its plain one. Throws <see cref="SshException"/> when it cannot.</summary>
    ValueTask<byte[]> SignAsync(string algorithm, ReadOnlyMemory<byte> data, CancellationToken cancellationToken);
}
