using System.Security.Cryptography;
using Adit.Ssh.Cryptography;

namespace Adit.Ssh.Keys;

/// <summary>A cipher of openssh-key-v1 files. Key and IV both come out of the key derivation, one behind the other.</summary>
internal abstract class KeyFileCipher
{
    private KeyFileCipher(string name, int keySize, int ivSize, int blockSize, int tagSize)
    {
        Name = name;
        KeySize = keySize;
        IvSize = ivSize;
        BlockSize = blockSize;
        TagSize = tagSize;
    }

    /// <summary>The names of SSH's transport ciphers.</summary>
    public string Name { get; }

    public int KeySize { get; }

    public int IvSize { get; }

    /// <summary>What the encrypted part's length is a multiple of.</summary>
    public int BlockSize { get; }

    /// <summary>Bytes of authentication tag behind the encrypted part; 0 for none.</summary>
    public int TagSize { get; }

    /// <summary>"none": a file without a passphrase.</summary>
    public static KeyFileCipher None { get; } = new NoCipher();

    /// <summary>What files are written with, as ssh-keygen does.</summary>
    public static KeyFileCipher Default { get; } = new Ctr("aes256-ctr", 32);

    private static KeyFileCipher[] All { get; } =
    [
        None,
        Default,
        new Ctr("aes192-ctr", 24),
        new Ctr("aes128-ctr", 16),
        new Cbc("aes256-cbc", 32),
        new Cbc("aes192-cbc", 24),
        new Cbc("aes128-cbc", 16),
        new Gcm("aes256-gcm@openssh.com", 32),
        new Gcm("aes128-gcm@openssh.com", 16),
        new ChaChaPoly(),
    ];

    /// <summary>The cipher of that name, or null.</summary>
    public static KeyFileCipher? Find(string name) => All.FirstOrDefault(c => c.Name == name);

    /// <summary>Encrypts in place and fills the tag.</summary>
    public abstract void Encrypt(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, Span<byte> data, Span<byte> tag);

    /// <summary>Decrypts in place. False when the tag does not match.</summary>
    public abstract bool Decrypt(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, Span<byte> data, ReadOnlySpan<byte> tag);

    private sealed class NoCipher() : KeyFileCipher("none", 0, 0, 8, 0)
    {
        public override void Encrypt(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, Span<byte> data, Span<byte> tag)
        {
        }

        public override bool Decrypt(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, Span<byte> data, ReadOnlySpan<byte> tag) => true;
    }

    private sealed class Ctr(string name, int keySize) : KeyFileCipher(name, keySize, 16, 16, 0)
    {
        public override void Encrypt(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, Span<byte> data, Span<byte> tag)
        {
            using var aes = new AesCtr(key, iv);
            aes.Process(data);
        }

        public override bool Decrypt(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, Span<byte> data, ReadOnlySpan<byte> tag)
        {
            Encrypt(key, iv, data, []);
            return true;
        }
    }

    private sealed class Cbc(string name, int keySize) : KeyFileCipher(name, keySize, 16, 16, 0)
    {
        public override void Encrypt(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, Span<byte> data, Span<byte> tag)
        {
            using var aes = Create(key);
            aes.EncryptCbc(data, iv, data, PaddingMode.None);
        }

        public override bool Decrypt(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, Span<byte> data, ReadOnlySpan<byte> tag)
        {
            using var aes = Create(key);
            aes.DecryptCbc(data, iv, data, PaddingMode.None);
            return true;
        }

        private static Aes Create(ReadOnlySpan<byte> key)
        {
            var aes = Aes.Create();
            aes.SetKey(key);
            return aes;
        }
    }

    private sealed class Gcm(string name, int keySize) : KeyFileCipher(name, keySize, 12, 16, 16)
    {
        public override void Encrypt(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, Span<byte> data, Span<byte> tag)
        {
            using var aes = new AesGcm(key, TagSize);
            aes.Encrypt(iv, data, data, tag);
        }

        public override bool Decrypt(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, Span<byte> data, ReadOnlySpan<byte> tag)
        {
            using var aes = new AesGcm(key, TagSize);
            try
            {
                aes.Decrypt(iv, data, tag, data);
                return true;
            }
            catch (AuthenticationTagMismatchException)
            {
                return false;
            }
        }
    }

    // As in packets (PROTOCOL.chacha20poly1305), for sequence number 0 and without the part that is the packet's length: the second half of
    // the key is derived but not used.
    private sealed class ChaChaPoly() : KeyFileCipher("chacha20-poly1305@openssh.com", 2 * ChaCha20.KeySize, 0, 8, Poly1305.TagSize)
    {
        public override void Encrypt(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, Span<byte> data, Span<byte> tag)
        {
            using var cipher = new ChaCha20(key[..ChaCha20.KeySize]);
            cipher.Seek(1, new byte[8]);
            cipher.Process(data);
            Authenticate(cipher, data, tag);
        }

        public override bool Decrypt(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, Span<byte> data, ReadOnlySpan<byte> tag)
        {
            using var cipher = new ChaCha20(key[..ChaCha20.KeySize]);
            Span<byte> expected = stackalloc byte[Poly1305.TagSize];
            Authenticate(cipher, data, expected);
            if (!CryptographicOperations.FixedTimeEquals(expected, tag))
                return false;
            cipher.Seek(1, new byte[8]);
            cipher.Process(data);
            return true;
        }

        private static void Authenticate(ChaCha20 cipher, ReadOnlySpan<byte> data, Span<byte> tag)
        {
            Span<byte> oneTimeKey = stackalloc byte[Poly1305.KeySize];
            oneTimeKey.Clear();
            cipher.Seek(0, new byte[8]);
            cipher.Process(oneTimeKey);
            using var mac = new Poly1305();
            mac.Compute(oneTimeKey, data, tag);
            CryptographicOperations.ZeroMemory(oneTimeKey);
        }
    }
}
