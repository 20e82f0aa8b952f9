using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Cryptography.Native;

namespace Adit.Ssh.Tests.Cryptography;

public class PrimitiveTests
{
    [Fact]
    public void Ed25519_signs_as_RFC_8032_does()
    {
        // RFC 8032, section 7.1, TEST 1, 2 and 3: secret key, public key, message, signature.
        (string Seed, string Public, string Message, string Signature)[] vectors =
        [
            ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
            ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
            ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
        ];
        foreach (var (seedHex, publicHex, messageHex, signatureHex) in vectors)
        {
            byte[] seed = Convert.FromHexString(seedHex), message = Convert.FromHexString(messageHex);
            byte[] publicKey = Ed25519.GetPublicKey(seed);
            Assert.Equal(publicHex, Convert.ToHexStringLower(publicKey));
            var signature = new byte[Ed25519.SignatureSize];
            Ed25519.Sign(seed, message, signature);
            Assert.Equal(signatureHex, Convert.ToHexStringLower(signature));
            Assert.True(Ed25519.Verify(publicKey, message, signature));
            signature[10] ^= 1;
            Assert.False(Ed25519.Verify(publicKey, message, signature));
        }
    }

    [Fact]
    public void Ed25519_verifies_as_Wycheproof_expects()
    {
        int count = 0;
        foreach (var (group, test) in Wycheproof.Load("ed25519_test.json"))
        {
            byte[] publicKey = group.GetProperty("publicKey").Hex("pk");
            bool verified = Ed25519.Verify(publicKey, test.Hex("msg"), test.Hex("sig"));
            Assert.True(verified == (test.Text("result") == "valid"), $"case {test.Id()}: {verified}");
            count++;
        }
        Assert.Equal(151, count);
    }

    [Fact]
    public void Ed25519_refuses_values_of_the_wrong_length()
    {
        byte[] seed = RandomNumberGenerator.GetBytes(32), publicKey = Ed25519.GetPublicKey(seed);
        var signature = new byte[64];
        Ed25519.Sign(seed, "x"u8, signature);
        Assert.False(Ed25519.Verify(publicKey, "x"u8, signature.AsSpan(0, 63)));
        Assert.False(Ed25519.Verify(publicKey, "x"u8, [.. signature, 0]));
        Assert.False(Ed25519.Verify(publicKey.AsSpan(0, 31), "x"u8, signature));
        Assert.Throws<ArgumentException>(() => Ed25519.GetPublicKey(new byte[31]));
        Assert.Throws<ArgumentException>(() => Ed25519.Sign(seed, "x"u8, new byte[63]));
    }

    // INVARIANT 13: zero shared secrets are refused.
    [Fact]
    public void X25519_derives_as_Wycheproof_expects_and_refuses_zero_secrets()
    {
        int count = 0, zero = 0;
        foreach (var (_, test) in Wycheproof.Load("x25519_test.json"))
        {
            byte[] expected = test.Hex("shared");
            bool isZero = expected.All(b => b == 0);
            var secret = new byte[32];
            bool derived = X25519.TryDerive(test.Hex("private"), test.Hex("public"), secret);
            Assert.True(derived == !isZero, $"case {test.Id()}");
            Assert.Equal(expected, secret);
            count++;
            zero += isZero ? 1 : 0;
        }
        Assert.Equal(518, count);
        Assert.True(zero > 5);
    }

    [Fact]
    public void X25519_agrees_as_RFC_7748_does()
    {
        // RFC 7748, section 6.1
        byte[] alice = Convert.FromHexString("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        byte[] bob = Convert.FromHexString("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        byte[] alicePublic = X25519.GetPublicKey(alice), bobPublic = X25519.GetPublicKey(bob);
        Assert.Equal("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", Convert.ToHexStringLower(alicePublic));
        Assert.Equal("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", Convert.ToHexStringLower(bobPublic));
        byte[] one = new byte[32], two = new byte[32];
        Assert.True(X25519.TryDerive(alice, bobPublic, one));
        Assert.True(X25519.TryDerive(bob, alicePublic, two));
        Assert.Equal("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742", Convert.ToHexStringLower(one));
        Assert.Equal(one, two);
    }

    [Fact]
    public void ChaCha20_gives_the_key_stream_of_RFC_8439()
    {
        // RFC 8439, section 2.4.2: key 00..1f, nonce 00 00 00 00 00 00 00 4a 00 00 00 00, initial counter 1. In the 64-bit form that nonce's
        // first four bytes are the counter's upper half (here zero) and the other eight are the nonce.
        byte[] key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
        byte[] text = Encoding.ASCII.GetBytes(
            "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.");
        using var cipher = new ChaCha20(key);
        cipher.Seek(1, [0, 0, 0, 0x4a, 0, 0, 0, 0]);
        cipher.Process(text);
        Assert.Equal(
            "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0bf91b65c5524733ab8f593dabcd62b3571639d624e65152ab8f530c359f0861d8"
            + "07ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab77937365af90bbf74a35be6b40b8eedf2785e42874d",
            Convert.ToHexStringLower(text));
    }

    [Fact]
    public void Poly1305_gives_the_tag_of_RFC_8439()
    {
        // RFC 8439, section 2.5.2
        byte[] key = Convert.FromHexString("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b");
        using var mac = new Poly1305();
        var tag = new byte[16];
        mac.Compute(key, "Cryptographic Forum Research Group"u8, tag);
        Assert.Equal("a8061dc1305136c6c22b8baf0c0127a9", Convert.ToHexStringLower(tag));
        // The context serves the next message too.
        mac.Compute(key, "Cryptographic Forum Research Group"u8, tag);
        Assert.Equal("a8061dc1305136c6c22b8baf0c0127a9", Convert.ToHexStringLower(tag));
    }

    // The AEAD of RFC 8439, put together from our ChaCha20 and Poly1305, so that its published vectors test both.
    [Fact]
    public void ChaCha20_and_Poly1305_agree_with_Wycheproof()
    {
        using var mac = new Poly1305();
        int count = 0;
        foreach (var (group, test) in Wycheproof.Load("chacha20_poly1305_test.json"))
        {
            if (group.GetProperty("ivSize").GetInt32() != 96)
                continue;
            byte[] iv = test.Hex("iv"), data = test.Hex("msg"), aad = test.Hex("aad");
            ulong upperCounter = (ulong)BinaryPrimitives.ReadUInt32LittleEndian(iv) << 32;
            using var cipher = new ChaCha20(test.Hex("key"));
            var macKey = new byte[32];
            cipher.Seek(upperCounter, iv.AsSpan(4));
            cipher.Process(macKey);
            cipher.Seek(upperCounter | 1, iv.AsSpan(4));
            cipher.Process(data);
            var tag = new byte[16];
            mac.Compute(macKey, Padded(aad, test.Hex("ct")), tag);
            bool valid = test.Text("result") == "valid";
            Assert.True(tag.AsSpan().SequenceEqual(test.Hex("tag")) == valid, $"case {test.Id()}");
            if (valid)
                Assert.Equal(test.Hex("ct"), data);
            count++;
        }
        Assert.True(count > 250);

        static byte[] Padded(byte[] aad, byte[] text)
        {
            var lengths = new byte[16];
            BinaryPrimitives.WriteUInt64LittleEndian(lengths, (ulong)aad.Length);
            BinaryPrimitives.WriteUInt64LittleEndian(lengths.AsSpan(8), (ulong)text.Length);
            return [.. aad, .. new byte[(16 - aad.Length % 16) % 16], .. text, .. new byte[(16 - text.Length % 16) % 16], .. lengths];
        }
    }

    [Theory]
    // NIST SP 800-38A, F.5.1, F.5.3 and F.5.5
    [InlineData("2b7e151628aed2a6abf7158809cf4f3c",
        "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee")]
    [InlineData("8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e941e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050")]
    [InlineData("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6")]
    public void AesCtr_gives_the_text_of_SP_800_38A(string key, string expected)
    {
        byte[] text = Convert.FromHexString("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
            + "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
        byte[] iv = Convert.FromHexString("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
        using var whole = new AesCtr(Convert.FromHexString(key), iv);
        byte[] copy = [.. text];
        whole.Process(copy);
        Assert.Equal(expected, Convert.ToHexStringLower(copy));

        // It is a stream: any split gives the same.
        using var split = new AesCtr(Convert.FromHexString(key), iv);
        split.Process(text.AsSpan(0, 5));
        split.Process(text.AsSpan(5, 0));
        split.Process(text.AsSpan(5, 30));
        split.Process(text.AsSpan(35));
        Assert.Equal(expected, Convert.ToHexStringLower(text));
    }

    [Fact]
    public void A_disposed_cipher_refuses_to_work()
    {
        var cipher = new AesCtr(new byte[16], new byte[16]);
        cipher.Dispose();
        Assert.Throws<ObjectDisposedException>(() => cipher.Process(new byte[16]));
    }

    [Fact]
    public void A_missing_library_is_reported_in_one_line_with_what_to_install()
    {
        var error = LibCrypto.Missing();
        Assert.Equal(SshError.LibraryMissing, error.Error);
        Assert.DoesNotContain('\n', error.Message);
        Assert.Contains("nstall", error.Hint, StringComparison.Ordinal);
    }
}
