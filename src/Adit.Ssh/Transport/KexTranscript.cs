using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Adit.Ssh.Transport;

/// <summary>Hashes the fields of a key exchange in wire form, one after the other, without keeping them: the last one is the shared secret.
/// <code>
/// H = HASH(string V_C | string V_S | string I_C | string I_S | string K_S | fields of the method | K)
/// </code></summary>
internal readonly struct KexTranscript(HashAlgorithmName hash) : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(hash);

    public void UInt32(uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        _hash.AppendData(bytes);
    }

    /// <summary>A length and the bytes. Serves for mpints too, where <paramref name="value"/> is what stood on the wire.</summary>
    public void String(ReadOnlySpan<byte> value)
    {
        UInt32((uint)value.Length);
        _hash.AppendData(value);
    }

    /// <summary>A non-negative number given as unsigned big-endian bytes.</summary>
    public void Mpint(ReadOnlySpan<byte> value)
    {
        value = value.TrimStart((byte)0);
        bool pad = !value.IsEmpty && (value[0] & 0x80) != 0;
        UInt32((uint)value.Length + (pad ? 1u : 0u));
        if (pad)
            _hash.AppendData([0]);
        _hash.AppendData(value);
    }

    /// <summary>Bytes that are encoded already.</summary>
    public void Raw(ReadOnlySpan<byte> encoded) => _hash.AppendData(encoded);

    /// <summary>The hash of everything so far.</summary>
    public byte[] Finish() => _hash.GetHashAndReset();

    public void Dispose() => _hash.Dispose();
}
