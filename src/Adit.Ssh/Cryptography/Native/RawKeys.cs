namespace Adit.Ssh.Cryptography.Native;

/// <summary>EVP_PKEY from and to the raw 32-byte keys of RFC 7748 and RFC 8032.</summary>
internal static unsafe class RawKeys
{
    public static KeyHandle ImportPrivate(int type, ReadOnlySpan<byte> key, int size)
    {
        CheckSize(key, size);
        fixed (byte* bytes = key)
            return new KeyHandle(LibCrypto.EVP_PKEY_new_raw_private_key(type, 0, bytes, (nuint)size));
    }

    public static KeyHandle ImportPublic(int type, ReadOnlySpan<byte> key, int size)
    {
        CheckSize(key, size);
        fixed (byte* bytes = key)
            return new KeyHandle(LibCrypto.EVP_PKEY_new_raw_public_key(type, 0, bytes, (nuint)size));
    }

    public static byte[] ExportPublic(KeyHandle key, int size)
    {
        var result = new byte[size];
        nuint length = (nuint)size;
        using var lease = key.Lease();
        fixed (byte* output = result)
            LibCrypto.Check(LibCrypto.EVP_PKEY_get_raw_public_key(lease.Pointer, output, &length));
        return result;
    }

    private static void CheckSize(ReadOnlySpan<byte> key, int size)
    {
        if (key.Length != size)
            throw new ArgumentException($"the key has {key.Length} bytes instead of {size}", nameof(key));
    }
}
