namespace Adit.Ssh.Keys;

/// <summary>Something that signs with one key: a private key in memory, a key file whose passphrase is asked for on first use, an agent's key, an HSM.</summary>
public interface ISigner
{
    /// <summary>The key that verifies its signatures (or the certificate for it).</summary>
    PublicKey PublicKey { get; }

    /// <summary>What a person knows it by: a file's path or the agent's comment. May be empty.</summary>
    string Comment { get; }

    /// <summary>True where a signature asks nobody for anything (a passphrase, a touch, a confirmation) and takes no time to speak of: a client then sends it
    /// along with the key, and saves the round trip in which the server says that it would take that key.</summary>
    bool SignsAtOnce => false;

    /// <summary>Signs <paramref name="data"/> and returns the signature blob (string algorithm, string signature). A certificate form of
    /// <paramref name="algorithm"/> signs with its plain one. Throws <see cref="SshException"/> when it cannot.</summary>
    ValueTask<byte[]> SignAsync(string algorithm, ReadOnlyMemory<byte> data, CancellationToken cancellationToken);
}
