using System.Numerics;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Cryptography.Native;

namespace Adit.Ssh.Tests.Cryptography;

public class DhGroupTests
{
    [Fact]
    public void The_built_in_primes_are_those_of_RFC_3526()
    {
        // RFC 3526: p = 2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) * pi) + c)
        (int Bits, int Constant)[] groups = [(2048, 124476), (3072, 1690314), (4096, 240904), (6144, 929484), (8192, 4743158)];
        Assert.Equal(groups.Length, Rfc3526.All.Length);
        foreach (var ((bits, constant), group) in groups.Zip(Rfc3526.All))
        {
            var p = BigInteger.Pow(2, bits) - BigInteger.Pow(2, bits - 64) - 1 + BigInteger.Pow(2, 64) * (PiTimesPowerOfTwo(bits - 130) + constant);
            Assert.Equal(p, new BigInteger(group.Prime, isUnsigned: true, isBigEndian: true));
            Assert.Equal(bits, group.Bits);
            Assert.Equal([2], group.Generator.ToArray());
        }
    }

    [Fact]
    public unsafe void The_smaller_ones_are_safe_primes()
    {
        foreach (var group in Rfc3526.All.Take(2))
        {
            var p = new BigInteger(group.Prime, isUnsigned: true, isBigEndian: true);
            foreach (var number in (BigInteger[])[p, (p - 1) / 2])
            {
                byte[] bytes = number.ToByteArray(isUnsigned: true, isBigEndian: true);
                fixed (byte* pointer = bytes)
                {
                    using var handle = new NumberHandle(LibCrypto.BN_bin2bn(pointer, bytes.Length, 0));
                    using var context = new NumberContextHandle();
                    using var lease = handle.Lease();
                    using var contextLease = context.Lease();
                    Assert.Equal(1, LibCrypto.BN_check_prime(lease.Pointer, contextLease.Pointer, 0));
                }
            }
        }
    }

    // INVARIANT 13: parameters are bounded before arithmetic.
    [Fact]
    public void A_group_out_of_bounds_is_refused()
    {
        byte[] p = Rfc3526.Group14.Prime.ToArray();
        var number = new BigInteger(p, isUnsigned: true, isBigEndian: true);
        Refused(p[1..], [2]);                                      // 2040 bits
        Refused([.. p, .. new byte[2000]], [2]);                   // too many
        Refused([], [2]);
        Refused((number - 1).ToByteArray(true, true), [2]);        // even
        Refused(p, []);
        Refused(p, [0]);
        Refused(p, [1]);
        Refused(p, (number - 1).ToByteArray(true, true));
        Refused(p, p);
        Refused(p, [1, .. p]);
        Assert.Equal(2048, new DhGroup([0, .. p], [0, 2]).Bits);
        Assert.Equal(2048, new DhGroup(p, (number - 2).ToByteArray(true, true)).Bits);

        static void Refused(byte[] prime, byte[] generator) =>
            Assert.Equal(SshError.KeyExchangeFailed, Assert.Throws<SshException>(() => new DhGroup(prime, generator)).Error);
    }

    [Theory]
    [InlineData(112, 2048)]
    [InlineData(128, 3072)]
    [InlineData(192, 7680)]
    [InlineData(256, 8192)]
    public void Stronger_ciphers_ask_for_larger_groups(int securityBits, int expected) =>
        Assert.Equal(expected, DhGroup.PreferredBits(securityBits));

    [Fact]
    public void A_moduli_file_is_read_as_sshd_reads_it()
    {
        string p2048 = Convert.ToHexString(Rfc3526.Group14.Prime), p3072 = Convert.ToHexString(Rfc3526.Group15.Prime);
        string[] lines =
        [
            "# Time Type Tests Tries Size Generator Modulus",
            "",
            $"20240101000000 2 6 100 2047 2 {p2048}",
            $"20240101000000 2 6 100 2047 5 {p2048}",
            $"20240101000000\t2\t6\t100\t3071\t2\t{p3072}",
            $"20240101000000 2 6 100 2048 2 {p2048}",       // says the wrong size
            $"20240101000000 4 6 100 2047 2 {p2048}",       // Sophie Germain, not safe
            $"20240101000000 2 1 100 2047 2 {p2048}",       // composite
            $"20240101000000 2 0 100 2047 2 {p2048}",       // not tested
            $"20240101000000 2 6 0 2047 2 {p2048}",         // no tries
            $"20240101000000 2 6 100 2047 1 {p2048}",       // generator 1
            $"20240101000000 2 6 100 2047 0 {p2048}",
            $"20240101000000 2 6 100 2047 2 {p2048[..^1]}X",
            $"20240101000000 2 6 100 2047 2",
            $"20240101000000 2 6 100 -1 2 {p2048}",
            $"20240101000000 2 6 100 99999999999 2 {p2048}",
            new string('9', 100_000),
        ];
        var file = ModuliFile.Read(new StringReader(string.Join('\n', lines)));
        Assert.Equal(3, file.Count);
        Assert.Equal(2048, file.Choose(2048, 2048, 8192).Bits);
        Assert.Equal(3072, file.Choose(2048, 2049, 8192).Bits);
        Assert.Equal(3072, file.Choose(2048, 8192, 8192).Bits);   // the largest below
        Assert.Equal(2048, file.Choose(1024, 2048, 2048).Bits);   // what is too small is raised
        Assert.Equal(3072, file.Choose(3000, 3000, 4000).Bits);

        // Both of the smaller ones are chosen, sooner or later.
        var generators = Enumerable.Range(0, 100).Select(_ => file.Choose(2048, 2048, 2048).Generator[0]).Distinct();
        Assert.Equal(2, generators.Count());
    }

    [Fact]
    public void Without_a_fitting_group_a_built_in_one_is_chosen()
    {
        Assert.Equal(2048, ModuliFile.Empty.Choose(1024, 2048, 2500).Bits);
        Assert.Equal(4096, ModuliFile.Empty.Choose(2048, 3072, 4096).Bits);
        Assert.Equal(8192, ModuliFile.Empty.Choose(2048, 3072, 8192).Bits);
        Assert.Equal(8192, ModuliFile.Empty.Choose(2048, 3072, 1_000_000).Bits);
    }

    [Theory]
    [InlineData(2048, 1024, 8192)]
    [InlineData(4096, 4096, 2048)]
    [InlineData(2048, 8192, 4096)]
    [InlineData(512, 1024, 1536)]
    [InlineData(9000, 9000, 9000)]
    public void Wishes_that_make_no_sense_are_refused(uint min, uint preferred, uint max) =>
        Assert.Equal(SshError.KeyExchangeFailed, Assert.Throws<SshException>(() => ModuliFile.Empty.Choose(min, preferred, max)).Error);

    private static BigInteger PiTimesPowerOfTwo(int bits)
    {
        // Machin: pi = 16 arctan(1/5) - 4 arctan(1/239)
        const int Guard = 64;
        var one = BigInteger.Pow(2, bits + Guard);
        return (16 * ArcTangent(5) - 4 * ArcTangent(239)) >> Guard;

        BigInteger ArcTangent(int inverse)
        {
            var term = one / inverse;
            var sum = term;
            for (int n = 3; !term.IsZero; n += 2)
            {
                term /= inverse * inverse;
                sum += n % 4 == 3 ? -(term / n) : term / n;
            }
            return sum;
        }
    }
}
