using System.Security.Cryptography;
using System.Text;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Keys;

/// <summary>openssh-key-v1 (OpenSSH's PROTOCOL.key): what ssh-keygen writes.</summary>
internal sealed class OpenSshKeyContent : KeyFileContent
{
    public const string Label = "OPENSSH PRIVATE KEY";

    private const int SaltSize = 16;
    private const int MaxSaltSize = 1024;
    private const int LineLength = 70;

    private readonly KeyFileCipher _cipher;
    private readonly byte[] _salt;
    private readonly int _rounds;
    private readonly Range _data;
    private readonly Range _tag;

    private OpenSshKeyContent(PemBlock block, PublicKey publicKey, KeyFileCipher cipher, byte[] salt, int rounds, Range data, Range tag)
        : base(block)
    {
        PublicKey = publicKey;
        _cipher = cipher;
        _salt = salt;
        _rounds = rounds;
        _data = data;
        _tag = tag;
    }

    private static ReadOnlySpan<byte> Magic => "openssh-key-v1\0"u8;

    public override bool IsEncrypted => _cipher != KeyFileCipher.None;

    public override PublicKey PublicKey { get; }

    // "openssh-key-v1" 0 | string cipher | string kdf | string kdf options | uint32 number of keys (1)
    // | string public key | string encrypted part | tag (as long as the cipher's)
    // kdf options of "bcrypt": string salt | uint32 rounds
    public static OpenSshKeyContent Parse(PemBlock block)
    {
        var reader = new SshReader(block.Data);
        if (!reader.Rest.StartsWith(Magic))
            throw KeyFileError.InvalidFormat("it does not start with openssh-key-v1");
        reader.ReadBytes(Magic.Length);
        string cipherName = reader.ReadName();
        var cipher = KeyFileCipher.Find(cipherName)
            ?? throw new SshException(SshError.InvalidKey, "unknown cipher") { Hint = $"it is encrypted with {cipherName}, which is not supported" };
        var (salt, rounds) = ReadKdf(reader.ReadName(), reader.ReadString(), cipher);
        if (reader.ReadUInt32() != 1)
            throw KeyFileError.InvalidFormat("it holds more than one key");
        var publicKey = PublicKey.Parse(reader.ReadString());
        var data = reader.ReadString();
        var tag = reader.ReadBytes(cipher.TagSize);
        reader.EnsureEnd();
        if (data.IsEmpty || data.Length % cipher.BlockSize != 0)
            throw KeyFileError.InvalidFormat("the encrypted part is not a whole number of blocks");
        int tagStart = block.Data.Length - tag.Length;
        return new OpenSshKeyContent(block, publicKey, cipher, salt, rounds, (tagStart - data.Length)..tagStart, tagStart..);
    }

    private static (byte[] Salt, int Rounds) ReadKdf(string name, ReadOnlySpan<byte> options, KeyFileCipher cipher)
    {
        if (name == "none" && cipher == KeyFileCipher.None)
            return options.IsEmpty ? ([], 0) : throw KeyFileError.InvalidFormat("kdf \"none\" has options");
        if (name != "bcrypt" || cipher == KeyFileCipher.None)
            throw KeyFileError.InvalidFormat("its key derivation is not bcrypt");
        var reader = new SshReader(options);
        var salt = reader.ReadString(MaxSaltSize);
        uint rounds = reader.ReadUInt32();
        reader.EnsureEnd();
        if (salt.IsEmpty)
            throw KeyFileError.InvalidFormat("the salt is empty");
        if (rounds is 0 or > MaxBcryptRounds)
            throw KeyFileError.InvalidFormat($"{rounds} bcrypt rounds are out of the range 1 to {MaxBcryptRounds}");
        return (salt.ToArray(), (int)rounds);
    }

    protected override PrivateKey OpenCore(ReadOnlySpan<byte> passphrase, CancellationToken cancellationToken)
    {
        var keyAndIv = DeriveKey(_cipher, passphrase, _salt, _rounds, cancellationToken);
        byte[] plain = Block.Data[_data];
        try
        {
            if (!_cipher.Decrypt(keyAndIv.AsSpan(0, _cipher.KeySize), keyAndIv.AsSpan(_cipher.KeySize), plain, Block.Data.AsSpan(_tag)))
                throw KeyFileError.WrongPassphrase("the passphrase does not open it");
            return ReadPlain(plain);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(keyAndIv);
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    // uint32 check | uint32 the same | the key's fields | string comment | padding 1, 2, 3, …
    private PrivateKey ReadPlain(ReadOnlySpan<byte> plain)
    {
        var reader = new SshReader(plain);
        if (reader.ReadUInt32() != reader.ReadUInt32())
        {
            throw IsEncrypted
                ? KeyFileError.WrongPassphrase("the passphrase does not open it")
                : KeyFileError.InvalidFormat("its two check numbers differ");
        }
        var key = PrivateKey.ReadFields(ref reader);
        try
        {
            key.Comment = reader.ReadText();
            for (byte expected = 1; !reader.AtEnd; expected++)
            {
                if (reader.ReadByte() != expected)
                    throw KeyFileError.InvalidFormat("its padding is wrong");
            }
            if (!key.PublicKey.Equals(PublicKey))
                throw KeyFileError.InvalidFormat("the public key in clear is not that of the private key");
            return key;
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    private static byte[] DeriveKey(KeyFileCipher cipher, ReadOnlySpan<byte> passphrase, ReadOnlySpan<byte> salt, int rounds, CancellationToken cancellationToken)
    {
        var keyAndIv = new byte[cipher.KeySize + cipher.IvSize];
        if (keyAndIv.Length > 0)
            BcryptPbkdf.DeriveKey(passphrase, salt, rounds, keyAndIv, cancellationToken);
        return keyAndIv;
    }

    /// <summary>The text of a key file.</summary>
    /// <param name="key">The key.</param>
    /// <param name="passphrase">UTF-8; empty for none.</param>
    /// <param name="cipher">Ignored without a passphrase.</param>
    /// <param name="rounds">bcrypt rounds, 1 to <see cref="KeyFileContent.MaxBcryptRounds"/>.</param>
    public static byte[] Format(PrivateKey key, ReadOnlySpan<byte> passphrase, KeyFileCipher cipher, int rounds)
    {
        if (passphrase.IsEmpty)
            cipher = KeyFileCipher.None;
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rounds, MaxBcryptRounds);
        byte[] salt = cipher == KeyFileCipher.None ? [] : RandomNumberGenerator.GetBytes(SaltSize);
        var keyAndIv = DeriveKey(cipher, passphrase, salt, rounds, default);
        // The largest key's numbers take 7 KiB. A fixed buffer, so that no copy is left behind by growing.
        var buffer = new byte[16 * 1024 + Encoding.UTF8.GetByteCount(key.Comment)];
        var file = new byte[2 * buffer.Length];
        try
        {
            var plain = WritePlain(key, cipher.BlockSize, buffer);
            var tag = new byte[cipher.TagSize];
            cipher.Encrypt(keyAndIv.AsSpan(0, cipher.KeySize), keyAndIv.AsSpan(cipher.KeySize), plain, tag);
            var writer = new SshWriter(file.AsSpan());
            WriteHead(key.PublicKey, cipher, salt, rounds, ref writer);
            writer.WriteString(plain);
            writer.WriteBytes(tag);
            return Armor(writer.Written);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(keyAndIv);
            CryptographicOperations.ZeroMemory(buffer);
            CryptographicOperations.ZeroMemory(file);
        }
    }

    private static void WriteHead(PublicKey publicKey, KeyFileCipher cipher, byte[] salt, int rounds, ref SshWriter writer)
    {
        writer.WriteBytes(Magic);
        writer.WriteString(cipher.Name);
        writer.WriteString(cipher == KeyFileCipher.None ? "none" : "bcrypt");
        int options = writer.BeginString();
        if (cipher != KeyFileCipher.None)
        {
            writer.WriteString(salt);
            writer.WriteUInt32((uint)rounds);
        }
        writer.EndString(options);
        writer.WriteUInt32(1);
        writer.WriteString(publicKey.Blob.Span);
    }

    private static Span<byte> WritePlain(PrivateKey key, int blockSize, Span<byte> buffer)
    {
        var writer = new SshWriter(buffer);
        uint check = BitConverter.ToUInt32(RandomNumberGenerator.GetBytes(4));
        writer.WriteUInt32(check);
        writer.WriteUInt32(check);
        key.WriteFields(ref writer);
        writer.WriteString(key.Comment);
        for (byte padding = 1; writer.Length % blockSize != 0; padding++)
            writer.WriteByte(padding);
        return buffer[..writer.Length];
    }

    private static byte[] Armor(ReadOnlySpan<byte> data)
    {
        var text = new char[(data.Length + 2) / 3 * 4];
        Convert.TryToBase64Chars(data, text, out int length);
        var output = new byte[length + length / LineLength + 100];
        int at = Append(output, 0, "-----BEGIN " + Label + "-----\n");
        for (int i = 0; i < length; i += LineLength)
        {
            at = Append(output, at, text.AsSpan(i, Math.Min(LineLength, length - i)));
            output[at++] = (byte)'\n';
        }
        at = Append(output, at, "-----END " + Label + "-----\n");
        CryptographicOperations.ZeroMemory(System.Runtime.InteropServices.MemoryMarshal.AsBytes(text.AsSpan()));
        var result = output.AsSpan(0, at).ToArray();
        CryptographicOperations.ZeroMemory(output);
        return result;
    }

    private static int Append(byte[] output, int at, ReadOnlySpan<char> text) => at + Encoding.ASCII.GetBytes(text, output.AsSpan(at));
}
