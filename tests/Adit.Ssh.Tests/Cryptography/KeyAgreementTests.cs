using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using Adit.Ssh.Cryptography;

namespace Adit.Ssh.Tests.Cryptography;

public class KeyAgreementTests
{
    public static TheoryData<string> Methods() => [.. Algorithms.KeyExchange.Select(a => a.Name)];

    [Theory, MemberData(nameof(Methods))]
    public void Both_sides_come_to_the_same_secret_and_never_twice(string name)
    {
        var seen = new HashSet<string>();
        int runs = name.StartsWith("diffie", StringComparison.Ordinal) ? 2 : 20;
        for (int run = 0; run < runs; run++)
        {
            using var client = Create(name);
            using var server = Create(name);
            byte[] init = client.CreateInit();
            byte[] reply = server.Respond(init, out byte[] serverSecret);
            byte[] clientSecret = client.Finish(reply);
            Assert.Equal(serverSecret, clientSecret);
            AssertEncoded(clientSecret, isNumber: !Algorithms.FindKeyExchange(name)!.IsPostQuantum);
            Assert.True(seen.Add(Convert.ToHexString(clientSecret)));
            Assert.True(seen.Add(Convert.ToHexString(init)));
            Assert.True(seen.Add(Convert.ToHexString(reply)));
        }
    }

    /// <summary>Those whose values have one length; a Diffie-Hellman number that lost a byte is only another number.</summary>
    public static TheoryData<string> MethodsWithStrings() =>
        [.. Algorithms.KeyExchange.Where(a => a.Kind == KeyExchangeKind.Ecdh).Select(a => a.Name)];

    [Theory, MemberData(nameof(MethodsWithStrings))]
    public void Values_of_the_wrong_length_are_refused(string name)
    {
        using var client = Create(name);
        byte[] init = client.CreateInit();
        byte[] reply = Create(name).Respond(init, out _);
        foreach (byte[] bad in (byte[][])[[], init[..^1], init[1..], [.. init, 0], [0, .. init], [1]])
        {
            using var server = Create(name);
            AssertRefused(() => server.Respond(bad, out _));
        }
        foreach (byte[] bad in (byte[][])[[], [0, .. reply], [.. reply, 0], [1]])
        {
            using var again = Create(name);
            again.CreateInit();
            AssertRefused(() => again.Finish(bad));
        }
    }

    [Theory, MemberData(nameof(Methods))]
    public void A_pair_serves_one_exchange_only(string name)
    {
        using var client = Create(name);
        byte[] reply = Create(name).Respond(client.CreateInit(), out _);
        client.Finish(reply);
        client.Dispose();
        Assert.Throws<ObjectDisposedException>(() => client.Finish(reply));
    }

    // INVARIANT 13: zero shared secrets are refused, on the published list of bad values.
    [Fact]
    public void Curve25519_refuses_every_point_of_small_order()
    {
        int count = 0;
        foreach (var (_, test) in Wycheproof.Load("x25519_test.json"))
        {
            if (test.Hex("shared").Any(b => b != 0))
                continue;
            using var server = new Curve25519KeyAgreement();
            AssertRefused(() => server.Respond(test.Hex("public"), out _));
            count++;
        }
        Assert.True(count > 5);
    }

    // INVARIANT 13: the point is on the curve that the method's name says.
    [Theory]
    [InlineData("ecdh-sha2-nistp256")]
    [InlineData("ecdh-sha2-nistp384")]
    [InlineData("ecdh-sha2-nistp521")]
    public void Nist_curves_refuse_what_is_not_their_point(string name)
    {
        byte[] good = Create(name).CreateInit();
        int field = (good.Length - 1) / 2;
        byte[] offCurve = [.. good];
        offCurve[^1] ^= 1;
        byte[] compressed = [(byte)(2 + (good[^1] & 1)), .. good.AsSpan(1, field)];
        byte[] hybrid = [(byte)(6 + (good[^1] & 1)), .. good.AsSpan(1)];
        byte[] infinity = [0];
        byte[] zero = new byte[good.Length];
        byte[] zeroPoint = [4, .. new byte[2 * field]];
        byte[] tooLarge = [4, .. Enumerable.Repeat((byte)0xff, 2 * field)];
        foreach (byte[] bad in (byte[][])[offCurve, compressed, hybrid, infinity, zero, zeroPoint, tooLarge])
        {
            using var server = Create(name);
            AssertRefused(() => server.Respond(bad, out _));
        }
        foreach (string other in (string[])["ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521"])
        {
            using var server = Create(name);
            if (other != name)
                AssertRefused(() => server.Respond(Create(other).CreateInit(), out _));
        }
    }

    [Theory]
    [InlineData("ecdh-sha2-nistp256", 32)]
    [InlineData("ecdh-sha2-nistp384", 48)]
    [InlineData("ecdh-sha2-nistp521", 66)]
    public void Nist_curves_agree_with_the_platform(string name, int field)
    {
        using var client = Create(name);
        byte[] init = client.CreateInit();
        var curve = name[^3..] switch
        {
            "256" => ECCurve.NamedCurves.nistP256,
            "384" => ECCurve.NamedCurves.nistP384,
            _ => ECCurve.NamedCurves.nistP521,
        };
        using var peer = ECDiffieHellman.Create(curve);
        using var own = ECDiffieHellman.Create(new ECParameters { Curve = curve, Q = new ECPoint { X = init[1..(1 + field)], Y = init[(1 + field)..] } });
        byte[] x = peer.DeriveRawSecretAgreement(own.PublicKey);
        var q = peer.ExportParameters(false).Q;
        Assert.Equal(Mpint(new BigInteger(x, isUnsigned: true, isBigEndian: true)), client.Finish([4, .. q.X!, .. q.Y!]));
    }

    [Fact]
    public void Diffie_Hellman_agrees_with_plain_arithmetic()
    {
        var random = new Random(1);
        foreach (var group in Rfc3526.All.Take(2))
        {
            var p = Number(group.Prime);
            for (int run = 0; run < 4; run++)
            {
                using var client = new DhKeyAgreement(group);
                byte[] init = client.CreateInit();
                Assert.True((init[0] & 0x80) == 0);
                var bytes = new byte[64];
                random.NextBytes(bytes);
                var y = new BigInteger(bytes, isUnsigned: true);
                var f = BigInteger.ModPow(2, y, p);
                Assert.Equal(Mpint(BigInteger.ModPow(Number(init), y, p)), client.Finish(f.ToByteArray(isBigEndian: true)));
            }
        }
    }

    // INVARIANT 13: 1 < e < p-1.
    [Fact]
    public void Diffie_Hellman_refuses_values_out_of_range()
    {
        var group = Rfc3526.Group14;
        var p = Number(group.Prime);
        BigInteger[] bad = [0, 1, 2, 4, 1024, p - 1, p, p + 1, p * 2, -1, -2, -p, BigInteger.Pow(2, 2047), BigInteger.Pow(2, 9000) + 12345];
        foreach (var value in bad)
        {
            byte[] bytes = value.IsZero ? [] : value.ToByteArray(isBigEndian: true);
            using var server = new DhKeyAgreement(group);
            AssertRefused(() => server.Respond(bytes, out _));
            using var client = new DhKeyAgreement(group);
            client.CreateInit();
            AssertRefused(() => client.Finish(bytes));
        }
        foreach (byte[] bytes in (byte[][])[[0], [0, 0, 0x80, 1, 2, 3], [0, 0x7f, 1, 2, 3]]) // not minimal
        {
            using var server = new DhKeyAgreement(group);
            AssertRefused(() => server.Respond(bytes, out _));
        }
        foreach (var value in (BigInteger[])[p - 2, 0x1b5, p / 3])
        {
            using var server = new DhKeyAgreement(group);
            server.Respond(value.ToByteArray(isBigEndian: true), out byte[] secret);
            AssertEncoded(secret, isNumber: true);
        }
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("00", "")]
    [InlineData("7f01", "7f01")]
    [InlineData("8001", "008001")]
    [InlineData("0080", "0080")]   // one zero byte was dropped and one is needed
    [InlineData("00007f", "7f")]
    public void Numbers_become_positive_and_minimal(string number, string content)
    {
        Assert.Equal(content, Convert.ToHexStringLower(KeyAgreementSecret.MpintContent(Convert.FromHexString(number))));
        byte[] bytes = Convert.FromHexString(content);
        Assert.Equal([0, 0, 0, (byte)bytes.Length, .. bytes], KeyAgreementSecret.AsMpint(Convert.FromHexString(number)));
    }

    // What a hybrid's halves are tied to: a change in either half of either value changes the secret or is refused.
    [Theory]
    [InlineData("mlkem768x25519-sha256", 32)]
    [InlineData("sntrup761x25519-sha512", 64)]
    public void Both_halves_of_a_hybrid_count(string name, int secretSize)
    {
        for (int half = 0; half < 2; half++)
        {
            using var client = Create(name);
            using var server = Create(name);
            byte[] reply = server.Respond(client.CreateInit(), out byte[] secret);
            Assert.Equal(4 + secretSize, secret.Length);
            reply[half == 0 ? 5 : ^5] ^= 1;
            Assert.NotEqual(secret, client.Finish(reply));
        }
    }

    [Fact]
    public void Hybrids_come_first_in_the_defaults() =>
        Assert.Equal(["mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com", "curve25519-sha256"],
            Algorithms.DefaultPreferences.KeyExchange.Take(4));

    // INVARIANT 13: a hybrid refuses a zero X25519 secret too.
    [Theory]
    [InlineData("mlkem768x25519-sha256")]
    [InlineData("sntrup761x25519-sha512")]
    public void Hybrids_refuse_points_of_small_order(string name)
    {
        using var client = Create(name);
        byte[] init = client.CreateInit();
        byte[] reply = Create(name).Respond(init, out _);
        init.AsSpan(init.Length - 32).Clear();
        reply.AsSpan(reply.Length - 32).Clear();
        using var server = Create(name);
        AssertRefused(() => server.Respond(init, out _));
        AssertRefused(() => client.Finish(reply));
    }

    [Fact]
    public void Group_exchange_takes_the_group_it_is_given()
    {
        var method = Algorithms.FindKeyExchange("diffie-hellman-group-exchange-sha256")!;
        Assert.Equal(KeyExchangeKind.DhGroupExchange, method.Kind);
        Assert.Throws<InvalidOperationException>(() => method.Create());
        Assert.Throws<InvalidOperationException>(() => Algorithms.FindKeyExchange("curve25519-sha256")!.Create(Rfc3526.Group14));
    }

    private static KeyAgreement Create(string name)
    {
        var method = Algorithms.FindKeyExchange(name)!;
        return method.Kind == KeyExchangeKind.DhGroupExchange ? method.Create(Rfc3526.Group15) : method.Create();
    }

    private static void AssertRefused(Action action)
    {
        var error = Assert.Throws<SshException>(action);
        Assert.Equal(SshError.KeyExchangeFailed, error.Error);
        Assert.Equal(DisconnectReason.KeyExchangeFailed, error.DisconnectReason);
    }

    private static void AssertEncoded(byte[] secret, bool isNumber)
    {
        Assert.Equal(secret.Length - 4, BinaryPrimitives.ReadInt32BigEndian(secret));
        if (!isNumber)
            return;
        Assert.True(secret[4] < 0x80);
        Assert.True(secret[4] != 0 || secret[5] >= 0x80);
    }

    private static BigInteger Number(ReadOnlySpan<byte> bytes) => new(bytes, isUnsigned: true, isBigEndian: true);

    private static byte[] Mpint(BigInteger value)
    {
        byte[] bytes = value.ToByteArray(isBigEndian: true);
        var length = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(length, bytes.Length);
        return [.. length, .. bytes];
    }
}
