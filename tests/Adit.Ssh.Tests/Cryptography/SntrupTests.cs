using System.Security.Cryptography;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Cryptography.PostQuantum;

namespace Adit.Ssh.Tests.Cryptography;

public class SntrupTests
{
    // Made with libntruprime 20260717 by others (the sntrup crate's reference vectors): key generation and encapsulation read ChaCha20's key
    // stream, under a key of 32 bytes 0x22 and 0xa2. The fingerprints are SHA-512; the secrets of refused ciphertexts are given too.
    [Fact]
    public void Keys_ciphertexts_and_secrets_are_those_of_libntruprime()
    {
        byte[] key = Sntrup761.GenerateKey(KeyStream(0x22));
        byte[] publicKey = Sntrup761.PublicKeyOf(key).ToArray();
        byte[] ciphertext = new byte[Sntrup761.CipherSize], secret = new byte[32];
        Sntrup761.Encapsulate(KeyStream(0xa2), publicKey, ciphertext, secret);
        Assert.Equal("bc92de57574ba7c825bf7f310546295278f0486e9e363a72c9dfc85df1d2a4158935c45e4feeb40c4ca091f9babdf0fdadd3d6e522e4e0313b98375a3415d503",
            Convert.ToHexStringLower(SHA512.HashData(publicKey)));
        Assert.Equal("015335858d8eb42323834c8ef4c87df577c260afc1faea0c7c2339031c8c7cf789378f4abd8e466eaafbaf20ef8439c4d61755651413794c815bdb47545db067",
            Convert.ToHexStringLower(SHA512.HashData(key)));
        Assert.Equal("2e5f3e01f88df0b161159852daf2c360b7c1fc92207b8b01d0bfd9a1e688908363032e791789e0e9e376695a965644a5a762c3045ba0866f13ef16d9e8514e56",
            Convert.ToHexStringLower(SHA512.HashData(ciphertext)));
        Assert.Equal("cd2045e12ff3cb8e277d8250ce720e293dc43f90f1435d242b09f96206bfefdf", Convert.ToHexStringLower(secret));

        Assert.Equal("cd2045e12ff3cb8e277d8250ce720e293dc43f90f1435d242b09f96206bfefdf", Opened(ciphertext));
        Assert.Equal("f03d66ff75cedf82d5995d6213fc2f01319b99c196df511c934b5d3895e3e67f", Opened(Changed(Sntrup761.CipherSize - 1, 1)));
        Assert.Equal("29dde5fad812d21c84f0f90944541118039162cded20c72f1498fae96cb85b98", Opened(Changed(0, 1)));
        Assert.Equal("c77053ae0ff0444ecc5ac19291a728efb183d67a999994a298e100623db51635", Opened(Changed(Sntrup761.CipherSize - 33, 0x80)));
        Assert.Equal("21f3272cef8967619f4b4e9239d4937cb4e3dc7d96db5ff4bd745d6bb4b81606", Opened(new byte[Sntrup761.CipherSize]));
        Assert.Equal("7d75962a76e96905fb639840e70993ef126f0358290fc90d634c515dfef382bb",
            Opened([.. Enumerable.Repeat((byte)0xff, Sntrup761.CipherSize)]));

        string Opened(byte[] bytes)
        {
            var result = new byte[32];
            Sntrup761.Decapsulate(key, bytes, result);
            return Convert.ToHexStringLower(result);
        }

        byte[] Changed(int at, byte bits)
        {
            byte[] changed = [.. ciphertext];
            changed[at] ^= bits;
            return changed;
        }
    }

    [Fact]
    public void Reduction_is_exact()
    {
        // Everything that occurs: twice the product of two coefficients, and some.
        const int Most = 2 * 2295 * 2295 + 10_000;
        int wrong = 0;
        for (int x = -Most; x <= Most; x++)
        {
            int reduced = Sntrup761Ring.FreezeQ(x);
            wrong += reduced is < -2295 or > 2295 || (x - reduced) % Sntrup761Ring.Q != 0 ? 1 : 0;
        }
        Assert.Equal(0, wrong);
        for (int x = -8192; x <= 8192; x++)
        {
            int reduced = Sntrup761Ring.Freeze3(x);
            Assert.True(reduced is >= -1 and <= 1 && (x - reduced) % 3 == 0, $"{x} -> {reduced}");
        }
    }

    [Fact]
    public void Reciprocals_multiply_to_one()
    {
        var random = new Random(11);
        int[] f = new int[Sntrup761Ring.Size], reciprocal = new int[Sntrup761Ring.Size], product = new int[Sntrup761Ring.Size];
        int invertible = 0;
        for (int run = 0; run < 6; run++)
        {
            for (int i = 0; i < Sntrup761Ring.P; i++)
                f[i] = random.Next(3) - 1;
            Sntrup761Ring.Reciprocal3(reciprocal, f);
            Sntrup761Ring.MultiplyQ(product, reciprocal, f);
            for (int i = 0; i < Sntrup761Ring.P; i++)
                Assert.Equal(i == 0 ? 1 : 0, Sntrup761Ring.FreezeQ(3 * product[i]));
            if (!Sntrup761Ring.TryReciprocal(reciprocal, f))
                continue;
            Sntrup761Ring.Multiply3(product, reciprocal, f);
            for (int i = 0; i < Sntrup761Ring.P; i++)
                Assert.Equal(i == 0 ? 1 : 0, product[i]);
            invertible++;
        }
        Assert.NotEqual(0, invertible);
        // Not every polynomial has one: x^761 - x - 1 has a factor of low degree modulo 3.
        Assert.False(Sntrup761Ring.TryReciprocal(reciprocal, new int[Sntrup761Ring.Size]));
    }

    [Fact]
    public void The_sorting_network_sorts()
    {
        var random = new Random(5);
        foreach (int length in (int[])[1, 2, 3, 16, 17, 761])
        {
            var numbers = new uint[length];
            for (int i = 0; i < length; i++)
                numbers[i] = i % 3 == 0 ? (uint)random.Next(5) : (uint)random.NextInt64(1L << 32);
            uint[] expected = [.. numbers.Order()];
            Sntrup761.Sort(numbers);
            Assert.Equal(expected, numbers);
        }
    }

    // Any bytes decode to a polynomial, and what was encoded comes back.
    [Fact]
    public void Encodings_come_back()
    {
        var random = new Random(13);
        int[] f = new int[Sntrup761Ring.Size], back = new int[Sntrup761Ring.Size];
        for (int run = 0; run < 20; run++)
        {
            for (int i = 0; i < Sntrup761Ring.P; i++)
                f[i] = run == 0 ? 2295 : run == 1 ? -2295 : random.Next(-2295, 2296);
            var bytes = new byte[Sntrup761Codec.FullSize];
            Sntrup761Codec.EncodeFull(f, bytes);
            Sntrup761Codec.DecodeFull(bytes, back);
            Assert.Equal(f, back);

            var rounded = new byte[Sntrup761Codec.RoundedSize];
            Sntrup761Codec.RoundEncode(f, rounded);
            Sntrup761Codec.DecodeRounded(rounded, back);
            for (int i = 0; i < Sntrup761Ring.P; i++)
                Assert.True(back[i] % 3 == 0 && Math.Abs(back[i] - f[i]) <= 1);

            random.NextBytes(bytes);
            Sntrup761Codec.DecodeFull(bytes, back);
            Assert.All(back, c => Assert.InRange(c, -2295, 2295));
        }
    }

    private static Sntrup761.RandomSource KeyStream(byte keyByte)
    {
        var key = new byte[32];
        key.AsSpan().Fill(keyByte);
        var cipher = new ChaCha20(key);
        cipher.Seek(0, new byte[8]);
        return bytes =>
        {
            bytes.Clear();
            cipher.Process(bytes);
        };
    }
}
