using System.Numerics;

namespace Adit.Ssh.Cryptography;

/// <summary>A prime p and a generator g for Diffie-Hellman. Immutable.</summary>
public sealed class DhGroup
{
    /// <summary>The smallest and the largest prime that group exchange takes, in bits.</summary>
    public const int MinBits = 2048;

    /// <inheritdoc cref="MinBits"/>
    public const int MaxBits = 8192;

    private readonly byte[] _prime;
    private readonly byte[] _generator;

    /// <summary>Unsigned big-endian numbers. Throws <see cref="SshException"/> (<see cref="SshError.KeyExchangeFailed"/>) unless p is odd, has
    /// <see cref="MinBits"/> to <see cref="MaxBits"/> bits, and 1 &lt; g &lt; p - 1. That p is prime is not checked: the server that signs the
    /// exchange answers for it, as with OpenSSH.</summary>
    public DhGroup(ReadOnlySpan<byte> prime, ReadOnlySpan<byte> generator)
    {
        // The size first: nothing is copied or calculated before it is known to be sane.
        prime = prime.TrimStart((byte)0);
        generator = generator.TrimStart((byte)0);
        Bits = BitLength(prime);
        if (Bits is < MinBits or > MaxBits)
            throw Refused($"DH group of {Bits} bits is out of range");
        if ((prime[^1] & 1) == 0)
            throw Refused("DH group's modulus is even");
        _prime = prime.ToArray();
        if (!IsInRange(generator))
            throw Refused("DH group's generator is out of range");
        _generator = generator.ToArray();
    }

    /// <summary>Size of p in bits.</summary>
    public int Bits { get; }

    /// <summary>p, unsigned big-endian, without leading zeros.</summary>
    public ReadOnlySpan<byte> Prime => _prime;

    /// <summary>g, unsigned big-endian, without leading zeros.</summary>
    public ReadOnlySpan<byte> Generator => _generator;

    /// <summary>The size a client prefers for a cipher of this strength (RFC 4419's n; the sizes are those OpenSSH asks for, after NIST SP 800-57).</summary>
    public static int PreferredBits(int securityBits) => securityBits switch
    {
        <= 112 => 2048,
        <= 128 => 3072,
        <= 192 => 7680,
        _ => MaxBits,
    };

    /// <summary>1 &lt; value &lt; p - 1, for an unsigned big-endian number without leading zeros (RFC 8268, section 4).</summary>
    internal bool IsInRange(ReadOnlySpan<byte> value)
    {
        if (value.Length > _prime.Length || BitLength(value) < 2)
            return false;
        if (value.Length < _prime.Length)
            return true;
        // p is odd: p - 1 differs from p in the last byte only.
        int order = value[..^1].SequenceCompareTo(_prime.AsSpan(0, _prime.Length - 1));
        return order < 0 || (order == 0 && value[^1] < _prime[^1] - 1);
    }

    internal static int BitLength(ReadOnlySpan<byte> unsignedBigEndian)
    {
        var value = unsignedBigEndian.TrimStart((byte)0);
        return value.IsEmpty ? 0 : value.Length * 8 - (BitOperations.LeadingZeroCount((uint)value[0]) - 24);
    }

    private static SshException Refused(string message) =>
        new(SshError.KeyExchangeFailed, message) { DisconnectReason = DisconnectReason.KeyExchangeFailed };
}
