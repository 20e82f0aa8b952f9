using System.Numerics;
using System.Security.Cryptography;
using Adit.Ssh.Cryptography.PostQuantum;

namespace Adit.Ssh.Tests.Cryptography;

public class MlKemTests
{
    [Fact]
    public void Keys_are_generated_as_Wycheproof_expects()
    {
        int count = 0;
        foreach (var (_, test) in Wycheproof.Load("mlkem_768_keygen_seed_test.json"))
        {
            byte[] key = MlKem768.GenerateKey(test.Hex("seed"));
            Assert.Equal(test.Hex("dk"), key);
            Assert.Equal(test.Hex("ek"), MlKem768.EncapsulationKeyOf(key).ToArray());
            count++;
        }
        Assert.Equal(100, count);
    }

    // INVARIANT 13: an encapsulation key with a coefficient that is not below q is refused (FIPS 203, section 7.2).
    [Fact]
    public void Secrets_are_encapsulated_as_Wycheproof_expects_and_bad_keys_refused()
    {
        int valid = 0, refused = 0;
        foreach (var (_, test) in Wycheproof.Load("mlkem_768_encaps_test.json"))
        {
            byte[] ciphertext = new byte[MlKem768.CipherSize], secret = new byte[32];
            bool done = MlKem768.TryEncapsulate(test.Hex("ek"), test.Hex("m"), ciphertext, secret);
            Assert.True(done == (test.Text("result") == "valid"), $"case {test.Id()}");
            if (MLKem.IsSupported && test.Hex("ek").Length == MlKem768.EncapsulationKeySize)
                Assert.Equal(done, new PlatformMlKem768().TryEncapsulate(test.Hex("ek"), new byte[MlKem768.CipherSize], new byte[32]));
            if (done)
            {
                Assert.Equal(test.Hex("c"), ciphertext);
                Assert.Equal(test.Hex("K"), secret);
                valid++;
            }
            else
            {
                Assert.All(secret, b => Assert.Equal(0, b));
                refused++;
            }
        }
        Assert.Equal((133, 132), (valid, refused));
    }

    // Among these are ciphertexts that were tampered with: the secret of the implicit rejection is in the file too.
    [Fact]
    public void Secrets_are_decapsulated_as_Wycheproof_expects()
    {
        int count = 0;
        foreach (var (_, test) in Wycheproof.Load("mlkem_768_test.json"))
        {
            byte[] seed = test.Hex("seed"), ciphertext = test.Hex("c"), secret = new byte[32];
            if (test.Text("result") != "valid")
            {
                Assert.True(seed.Length != MlKem768.SeedSize || ciphertext.Length != MlKem768.CipherSize, $"case {test.Id()}");
                if (seed.Length == MlKem768.SeedSize)
                    Assert.Throws<ArgumentException>(() => MlKem768.Decapsulate(MlKem768.GenerateKey(seed), ciphertext, secret));
                continue;
            }
            byte[] key = MlKem768.GenerateKey(seed);
            if (test.Text("ek").Length > 0)
                Assert.Equal(test.Hex("ek"), MlKem768.EncapsulationKeyOf(key).ToArray());
            MlKem768.Decapsulate(key, ciphertext, secret);
            Assert.Equal(test.Hex("K"), secret);
            count++;
        }
        foreach (var (_, test) in Wycheproof.Load("mlkem_768_semi_expanded_decaps_test.json"))
        {
            if (test.Text("result") != "valid")
                continue;
            var secret = new byte[32];
            MlKem768.Decapsulate(test.Hex("dk"), test.Hex("c"), secret);
            Assert.Equal(test.Hex("K"), secret);
            count++;
        }
        Assert.True(count > 50, $"{count} cases");
    }

    public static TheoryData<string> Kems() => MLKem.IsSupported ? ["own", "sntrup761", "platform"] : ["own", "sntrup761"];

    [Theory, MemberData(nameof(Kems))]
    public void Both_sides_come_to_the_same_secret(string name)
    {
        var kem = Create(name);
        for (int run = 0; run < 30; run++)
        {
            using var key = kem.Generate(out byte[] publicKey);
            Assert.Equal(kem.PublicKeySize, publicKey.Length);
            byte[] ciphertext = new byte[kem.CiphertextSize], one = new byte[32], two = new byte[32];
            Assert.True(kem.TryEncapsulate(publicKey, ciphertext, one));
            key.Decapsulate(ciphertext, two);
            Assert.Equal(one, two);
            Assert.Contains(one, b => b != 0);
        }
    }

    // Implicit rejection: another secret, always the same for the same ciphertext.
    [Theory, MemberData(nameof(Kems))]
    public void A_changed_ciphertext_gives_another_secret(string name)
    {
        var kem = Create(name);
        var random = new Random(7);
        using var key = kem.Generate(out byte[] publicKey);
        byte[] ciphertext = new byte[kem.CiphertextSize], secret = new byte[32], rejected = new byte[32], again = new byte[32];
        Assert.True(kem.TryEncapsulate(publicKey, ciphertext, secret));
        for (int run = 0; run < 40; run++)
        {
            byte[] changed = [.. ciphertext];
            // Every place in the ciphertext, the last byte among them.
            changed[run == 0 ? ciphertext.Length - 1 : random.Next(ciphertext.Length)] ^= (byte)(1 << (run % 8));
            key.Decapsulate(changed, rejected);
            key.Decapsulate(changed, again);
            Assert.Equal(rejected, again);
            Assert.NotEqual(secret, rejected);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(10)]
    public void Compression_rounds_exactly(int bits)
    {
        for (uint x = 0; x < MlKemRing.Q; x++)
        {
            // round(2^d x / q) mod 2^d, in integers: q is odd, so there is no tie.
            var expected = (uint)(((BigInteger.Pow(2, bits + 1) * x + MlKemRing.Q) / (2 * MlKemRing.Q)) % BigInteger.Pow(2, bits));
            Assert.Equal(expected, MlKemRing.Compress(x, bits));
        }
        for (uint y = 0; y < 1u << bits; y++)
        {
            Assert.Equal((uint)Math.Floor(MlKemRing.Q / (double)(1 << bits) * y + 0.5), MlKemRing.Decompress(y, bits));
            Assert.Equal(y, MlKemRing.Compress(MlKemRing.Decompress(y, bits), bits));
        }
    }

    [Fact]
    public void Reduction_is_exact()
    {
        var random = new Random(3);
        for (int i = 0; i < 200_000; i++)
        {
            uint x = i < 70_000 ? (uint)i : (uint)random.NextInt64(1L << 32);
            Assert.Equal(x % MlKemRing.Q, MlKemRing.Reduce(x));
        }
        Assert.Equal(uint.MaxValue % MlKemRing.Q, MlKemRing.Reduce(uint.MaxValue));
    }

    private static Kem Create(string name) => name switch
    {
        "own" => new MlKem768(),
        "platform" => new PlatformMlKem768(),
        _ => new Sntrup761(),
    };
}
