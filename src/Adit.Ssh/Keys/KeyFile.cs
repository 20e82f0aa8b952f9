using System.Security.Cryptography;
using System.Text;

namespace Adit.Ssh.Keys;

/// <summary>Reads and writes key files. Private keys: openssh-key-v1, and PKCS#1, SEC1 and PKCS#8 in PEM, plain and encrypted; written as
/// openssh-key-v1. Public keys and certificates: one line "type base64 comment". Messages begin as OpenSSH's do, for instance
/// <c>Load key "id_rsa": invalid format</c>; the hint says what is wrong inside.</summary>
public static class KeyFile
{
    /// <summary>Longest file that is read; ssh-keygen's own limit.</summary>
    public const int MaxLength = 1024 * 1024;

    /// <summary>bcrypt rounds of files that are written with a passphrase, unless told otherwise: about a sixth of a second.</summary>
    public const int DefaultRounds = 24;

    /// <summary>Reads a private key.</summary>
    /// <param name="path">The file. On Unix it must not be accessible to others (unless it is somebody else's).</param>
    /// <param name="passphrase">Needed when the file is encrypted, ignored otherwise.</param>
    /// <exception cref="SshException"><see cref="SshError.FileAccess"/>, <see cref="SshError.InvalidKey"/>, or <see cref="SshError.WrongPassphrase"/>
    /// (also when there is none but one is needed).</exception>
    public static PrivateKey ReadPrivateKey(string path, string? passphrase = null)
    {
        using var content = Load(path);
        return Open(content, path, passphrase, default);
    }

    /// <summary>Reads a private key from memory.</summary>
    /// <param name="content">The file's content.</param>
    /// <param name="passphrase">Needed when it is encrypted, ignored otherwise.</param>
    /// <param name="name">What messages call the file.</param>
    /// <exception cref="SshException"><see cref="SshError.InvalidKey"/>, or <see cref="SshError.WrongPassphrase"/> (also when there is none but one is needed).</exception>
    public static PrivateKey ParsePrivateKey(ReadOnlySpan<byte> content, string? passphrase = null, string name = "(memory)")
    {
        using var parsed = Parse(content, name);
        return Open(parsed, name, passphrase, default);
    }

    /// <summary>True when a private key file needs a passphrase. Throws as <see cref="ReadPrivateKey"/> does.</summary>
    public static bool IsEncrypted(string path)
    {
        using var content = Load(path);
        return content.IsEncrypted;
    }

    /// <summary>Reads a public key or certificate: a .pub file, or the clear part of a private key file without a passphrase or in OpenSSH's format.</summary>
    /// <param name="path">The file.</param>
    /// <param name="comment">The comment; may be empty. It is not escaped.</param>
    /// <exception cref="SshException"><see cref="SshError.FileAccess"/> or <see cref="SshError.InvalidKey"/>.</exception>
    public static PublicKey ReadPublicKey(string path, out string comment)
    {
        var content = ReadAll(path);
        try
        {
            return PublicKeyText.Read(content, out comment);
        }
        catch (SshException e)
        {
            throw KeyFileError.Load(path, e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(content);
        }
    }

    /// <summary>The text of an openssh-key-v1 file. The caller erases it.</summary>
    /// <param name="key">The key, whose comment is put inside.</param>
    /// <param name="passphrase">Null or empty: not encrypted. Otherwise aes256-ctr with a key from bcrypt.</param>
    /// <param name="rounds">bcrypt rounds, 1 to 4096.</param>
    public static byte[] FormatPrivateKey(PrivateKey key, string? passphrase = null, int rounds = DefaultRounds)
    {
        ArgumentNullException.ThrowIfNull(key);
        var secret = Encoding.UTF8.GetBytes(passphrase ?? "");
        try
        {
            return OpenSshKeyContent.Format(key, secret, KeyFileCipher.Default, rounds);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    /// <summary>Writes a private key file with mode 0600, in one step: a reader sees the old file or the whole new one.</summary>
    /// <param name="path">Where to; its folder must exist.</param>
    /// <param name="key">The key, whose comment is put inside.</param>
    /// <param name="passphrase">Null or empty: not encrypted.</param>
    /// <param name="rounds">bcrypt rounds, 1 to 4096.</param>
    /// <param name="overwrite">False: an existing file is an error, and nothing that appears meanwhile is replaced.</param>
    /// <exception cref="SshException"><see cref="SshError.FileAccess"/>.</exception>
    public static void WritePrivateKey(string path, PrivateKey key, string? passphrase = null, int rounds = DefaultRounds, bool overwrite = false)
    {
        var content = FormatPrivateKey(key, passphrase, rounds);
        try
        {
            AtomicFile.Write(path, content, UnixFileMode.UserRead | UnixFileMode.UserWrite, overwrite);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(content);
        }
    }

    /// <summary>Writes a .pub file with mode 0644.</summary>
    /// <exception cref="SshException"><see cref="SshError.FileAccess"/>.</exception>
    public static void WritePublicKey(string path, PublicKey key, string? comment = null, bool overwrite = false)
    {
        ArgumentNullException.ThrowIfNull(key);
        const UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        AtomicFile.Write(path, Encoding.UTF8.GetBytes(key.ToText(comment) + "\n"), mode, overwrite);
    }

    /// <summary>Reads a private key file and takes it apart; the permissions are checked first.</summary>
    internal static KeyFileContent Load(string path)
    {
        var bytes = ReadAll(path, KeyFilePermissions.Check);
        try
        {
            return Parse(bytes, path);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    internal static PrivateKey Open(KeyFileContent content, string name, string? passphrase, CancellationToken cancellationToken)
    {
        var secret = Encoding.UTF8.GetBytes(passphrase ?? "");
        try
        {
            return content.Open(secret, cancellationToken);
        }
        catch (SshException e)
        {
            throw KeyFileError.Load(name, e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private static KeyFileContent Parse(ReadOnlySpan<byte> content, string name)
    {
        try
        {
            return KeyFileContent.Parse(content);
        }
        catch (SshException e)
        {
            throw KeyFileError.Load(name, e);
        }
    }

    private static byte[] ReadAll(string path, Action<string>? check = null)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            check?.Invoke(path);
            // Not File.ReadAllBytes: the file may be a pipe or a device without end.
            bool sized = stream.CanSeek && stream.Length is > 0 and < MaxLength;
            var buffer = new byte[(sized ? stream.Length : MaxLength) + 1];
            int length = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            var content = buffer.AsSpan(0, length).ToArray();
            CryptographicOperations.ZeroMemory(buffer.AsSpan(0, length));
            return content.Length <= MaxLength
                ? content
                : throw KeyFileError.Load(path, KeyFileError.InvalidFormat($"it is longer than {MaxLength} bytes"));
        }
        catch (SshException)
        {
            throw;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw KeyFileError.Unreadable(path, e);
        }
    }
}
