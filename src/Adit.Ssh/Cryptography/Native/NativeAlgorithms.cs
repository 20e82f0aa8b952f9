namespace Adit.Ssh.Cryptography.Native;

/// <summary>Ciphers and MACs fetched from libcrypto's providers once per process: fetching by name costs more than a packet does.</summary>
internal static unsafe class NativeAlgorithms
{
    private static readonly Lazy<nint> LazyAes128Gcm = new(() => Cipher("AES-128-GCM"u8, "aes128-gcm"));
    private static readonly Lazy<nint> LazyAes256Gcm = new(() => Cipher("AES-256-GCM"u8, "aes256-gcm"));
    private static readonly Lazy<nint> LazyAes128Ctr = new(() => Cipher("AES-128-CTR"u8, "aes128-ctr"));
    private static readonly Lazy<nint> LazyAes192Ctr = new(() => Cipher("AES-192-CTR"u8, "aes192-ctr"));
    private static readonly Lazy<nint> LazyAes256Ctr = new(() => Cipher("AES-256-CTR"u8, "aes256-ctr"));
    private static readonly Lazy<nint> LazyChaCha20 = new(() => Cipher("ChaCha20"u8, "ChaCha20"));
    private static readonly Lazy<nint> LazyPoly1305 = new(() => Mac("POLY1305"u8, "Poly1305"));
    private static readonly Lazy<nint> LazyHmac = new(() => Mac("HMAC"u8, "HMAC"));

    private static readonly Lazy<nint> LazySha3256 = new(() => Digest("SHA3-256"u8, "SHA3-256"));
    private static readonly Lazy<nint> LazySha3512 = new(() => Digest("SHA3-512"u8, "SHA3-512"));
    private static readonly Lazy<nint> LazyShake128 = new(() => Digest("SHAKE-128"u8, "SHAKE128"));
    private static readonly Lazy<nint> LazyShake256 = new(() => Digest("SHAKE-256"u8, "SHAKE256"));

    public static nint Sha3256 => LazySha3256.Value;

    public static nint Sha3512 => LazySha3512.Value;

    public static nint Shake128 => LazyShake128.Value;

    public static nint Shake256 => LazyShake256.Value;

    public static nint ChaCha20 => LazyChaCha20.Value;

    public static nint Poly1305 => LazyPoly1305.Value;

    public static nint Hmac => LazyHmac.Value;

    /// <summary>EVP_CIPHER of AES in counter mode for a key of 16, 24 or 32 bytes.</summary>
    public static nint AesCtr(int keyLength) => keyLength switch
    {
        16 => LazyAes128Ctr.Value,
        24 => LazyAes192Ctr.Value,
        32 => LazyAes256Ctr.Value,
        _ => throw new ArgumentException("an AES key has 16, 24 or 32 bytes", nameof(keyLength)),
    };

    /// <summary>EVP_CIPHER of AES-GCM for a key of 16 or 32 bytes.</summary>
    public static nint AesGcm(int keyLength) => keyLength switch
    {
        16 => LazyAes128Gcm.Value,
        32 => LazyAes256Gcm.Value,
        _ => throw new ArgumentException("an AES-GCM key has 16 or 32 bytes", nameof(keyLength)),
    };

    private static nint Cipher(ReadOnlySpan<byte> name, string shown)
    {
        fixed (byte* text = name) // u8 literals end with a zero byte
        {
            nint cipher = LibCrypto.EVP_CIPHER_fetch(0, text, null);
            return cipher != 0 ? cipher : throw LibCrypto.NotProvided(shown);
        }
    }

    private static nint Mac(ReadOnlySpan<byte> name, string shown)
    {
        fixed (byte* text = name)
        {
            nint mac = LibCrypto.EVP_MAC_fetch(0, text, null);
            return mac != 0 ? mac : throw LibCrypto.NotProvided(shown);
        }
    }

    private static nint Digest(ReadOnlySpan<byte> name, string shown)
    {
        fixed (byte* text = name)
        {
            nint digest = LibCrypto.EVP_MD_fetch(0, text, null);
            return digest != 0 ? digest : throw LibCrypto.NotProvided(shown);
        }
    }
}
