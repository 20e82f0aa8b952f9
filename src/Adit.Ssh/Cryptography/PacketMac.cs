using System.Buffers.Binary;
using System.Security.Cryptography;
using Adit.Ssh.Cryptography.Native;

namespace Adit.Ssh.Cryptography;

/// <summary>The HMAC of packets under one key (RFC 4253, section 6.4): mac = MAC(key, uint32 sequence_number || packet). Used by one thread at a time.</summary>
internal sealed unsafe class PacketMac : IDisposable
{
    private readonly MacContextHandle _context = new(NativeAlgorithms.Hmac);

    public PacketMac(MacAlgorithm algorithm, ReadOnlySpan<byte> key)
    {
        if (key.Length != algorithm.KeySize)
            throw new ArgumentException($"the key of {algorithm.Name} has {algorithm.KeySize} bytes", nameof(key));
        TagLength = algorithm.TagLength;
        ReadOnlySpan<byte> digest = algorithm.TagLength switch
        {
            20 => "SHA1"u8,
            32 => "SHA2-256"u8,
            64 => "SHA2-512"u8,
            _ => throw new ArgumentException("no such HMAC", nameof(algorithm)),
        };
        using var lease = _context.Lease();
        fixed (byte* keyBytes = key, digestName = digest, parameterName = "digest"u8)
        {
            var parameters = stackalloc LibCrypto.OsslParam[2];
            parameters[0] = new LibCrypto.OsslParam
            {
                Key = parameterName,
                DataType = LibCrypto.OsslParam.Utf8String,
                Data = digestName,
                DataSize = (nuint)digest.Length,
            };
            parameters[1] = default;
            LibCrypto.Check(LibCrypto.EVP_MAC_init(lease.Pointer, keyBytes, (nuint)key.Length, parameters));
        }
    }

    public int TagLength { get; }

    /// <summary>Writes the MAC into <paramref name="tag"/>, which is <see cref="TagLength"/> bytes.</summary>
    public void Compute(uint sequenceNumber, ReadOnlySpan<byte> packet, Span<byte> tag)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(tag.Length, TagLength, nameof(tag));
        uint prefix = BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(sequenceNumber) : sequenceNumber;
        using var lease = _context.Lease();
        nuint written;
        fixed (byte* data = packet, output = tag)
        {
            LibCrypto.Check(LibCrypto.EVP_MAC_init(lease.Pointer, null, 0, null)); // the same key again
            LibCrypto.Check(LibCrypto.EVP_MAC_update(lease.Pointer, (byte*)&prefix, sizeof(uint)));
            LibCrypto.Check(LibCrypto.EVP_MAC_update(lease.Pointer, data, (nuint)packet.Length));
            LibCrypto.Check(LibCrypto.EVP_MAC_final(lease.Pointer, output, &written, (nuint)tag.Length));
        }
    }

    /// <summary>Compares in constant time.</summary>
    public bool Verify(uint sequenceNumber, ReadOnlySpan<byte> packet, ReadOnlySpan<byte> tag)
    {
        Span<byte> expected = stackalloc byte[64];
        expected = expected[..TagLength];
        Compute(sequenceNumber, packet, expected);
        return CryptographicOperations.FixedTimeEquals(expected, tag);
    }

    public void Dispose() => _context.Dispose();
}
