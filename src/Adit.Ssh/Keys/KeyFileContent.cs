using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Adit.Ssh.Keys;

/// <summary>A private key file that was read and taken apart, but not decrypted yet. Disposing it erases what it holds.</summary>
internal abstract class KeyFileContent(PemBlock block) : IDisposable
{
    /// <summary>bcrypt and PBKDF2 make guessing slow; a file may not make reading it take minutes. Some hundred times what tools write by default.</summary>
    public const int MaxBcryptRounds = 4096;

    public const int MaxPbkdf2Iterations = 10_000_000;

    /// <summary>True when a passphrase is needed.</summary>
    public abstract bool IsEncrypted { get; }

    /// <summary>The public half where the file has it in clear, otherwise null.</summary>
    public virtual PublicKey? PublicKey => null;

    /// <summary>The private key. The passphrase is UTF-8 and ignored where none is needed.</summary>
    /// <exception cref="SshException">As from <see cref="KeyFile.ParsePrivateKey"/>, but the message is the reason alone.</exception>
    public PrivateKey Open(ReadOnlySpan<byte> passphrase, CancellationToken cancellationToken)
    {
        // No tool writes a file with an empty passphrase as an encrypted one: there is nothing to try.
        if (IsEncrypted && passphrase.IsEmpty)
            throw KeyFileError.WrongPassphrase("the key is encrypted and no passphrase was given");
        return Guard(passphrase, cancellationToken);
    }

    public void Dispose() => Block.Dispose();

    protected PemBlock Block => block;

    protected abstract PrivateKey OpenCore(ReadOnlySpan<byte> passphrase, CancellationToken cancellationToken);

    private PrivateKey Guard(ReadOnlySpan<byte> passphrase, CancellationToken cancellationToken)
    {
        try
        {
            return OpenCore(passphrase, cancellationToken);
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            throw KeyFileError.InvalidFormat(e.Message, e);
        }
        catch (SshException e) when (e.Error == SshError.ProtocolError)
        {
            throw KeyFileError.InvalidFormat(e.Message, e);
        }
    }

    /// <summary>Takes a file's content apart.</summary>
    /// <exception cref="SshException"><see cref="SshError.InvalidKey"/>; the message is the reason alone.</exception>
    public static KeyFileContent Parse(ReadOnlySpan<byte> content)
    {
        var block = PemBlock.FindPrivateKey(content);
        try
        {
            return block.Label == OpenSshKeyContent.Label ? OpenSshKeyContent.Parse(block) : PemKeyContent.Parse(block);
        }
        catch (SshException e) when (e.Error == SshError.ProtocolError)
        {
            throw KeyFileError.InvalidFormat(e.Message, e);
        }
    }
}
