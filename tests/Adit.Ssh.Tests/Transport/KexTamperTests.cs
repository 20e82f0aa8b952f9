using Adit.Ssh.Cryptography;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Tests.Transport;

/// <summary>Values that are changed on the way or wrong from the start.</summary>
public class KexTamperTests
{
    [Fact]
    public async Task AHostKeyOfAnotherTypeThanAgreedIsRefused()
    {
        using var pair = new KexTestPair(KexTestOptions.Client(KexTestOptions.Prefer(hostKey: "ssh-ed25519")), KexTestOptions.Server());
        pair.Server.Rewrite = payload => payload[0] == 31 ? WithHostKey(payload, KexTestOptions.Key("ssh-rsa").PublicKey.Blob.ToArray()) : payload;
        await pair.ConnectAsync();
        Assert.Contains("key type does not match", pair.Client.Fault!.Message, StringComparison.Ordinal);
        Assert.Equal(0, pair.Client.Verifications);
    }

    // Each bit that both sides hash: changed on the way, it must end the exchange before a key is trusted.
    [Theory]
    [InlineData("curve25519-sha256")]
    [InlineData("ecdh-sha2-nistp256")]
    [InlineData("diffie-hellman-group14-sha256")]
    [InlineData("diffie-hellman-group-exchange-sha256")]
    public async Task AnyChangeOfTheTranscriptIsNoticed(string method)
    {
        var random = new Random(method.Length);
        var algorithms = KexTestOptions.Prefer(method, "ssh-ed25519");
        for (int round = 0; round < 60; round++)
        {
            using var pair = new KexTestPair(KexTestOptions.Client(algorithms), KexTestOptions.Server(algorithms));
            var liar = round % 2 == 0 ? pair.Client : pair.Server;
            int message = random.Next(method.Contains("exchange-sha256", StringComparison.Ordinal) ? 3 : 2);
            int seen = 0;
            liar.Rewrite = payload =>
            {
                if (payload[0] is 2 or 21 || seen++ != message)
                    return payload;
                byte[] changed = [.. payload];
                changed[random.Next(1, changed.Length)] ^= (byte)(1 << random.Next(8));
                return changed;
            };
            await pair.ConnectAsync();
            Assert.Empty(pair.Client.Completed);
            Assert.Empty(pair.Server.Completed);
            Assert.Equal(0, pair.Client.Verifications);
            Assert.DoesNotContain((byte)21, pair.Client.Sent);
        }
    }

    [Fact]
    public async Task AnotherVersionStringIsNoticed()
    {
        using var pair = Pair();
        pair.Client.Session.RemoteVersion = "SSH-2.0-Server_2"u8.ToArray();
        await pair.ConnectAsync();
        Assert.Contains("incorrect signature", pair.Client.Fault!.Message, StringComparison.Ordinal);
        Assert.Equal(0, pair.Client.Verifications);
    }

    // INVARIANT 2, the downgrade: taking the strict flag out of one KEXINIT changes the hash.
    [Fact]
    public async Task TakingTheStrictFlagOutIsNoticed()
    {
        using var pair = Pair();
        pair.Client.Rewrite = payload => payload[0] == 20 ? Rename(payload, "kex-strict-c-v00@openssh.com", "kex-relax!-c-v00@openssh.com") : payload;
        await pair.ConnectAsync();
        Assert.Empty(pair.Client.Completed);
        Assert.Equal(0, pair.Client.Verifications);
    }

    // INVARIANT 13: 1 < e < p - 1; zero secrets.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task PublicValuesOutOfRangeAreRefused(bool atClient)
    {
        byte[] prime = [0, .. ModuliFile.Empty.Choose(2048, 2048, 2048).Prime];
        byte[] primeMinusOne = [.. prime];
        primeMinusOne[^1]--;
        foreach (var (method, value) in ((string, byte[])[])
        [
            ("diffie-hellman-group14-sha256", []),
            ("diffie-hellman-group14-sha256", [1]),
            ("diffie-hellman-group14-sha256", prime),
            ("diffie-hellman-group14-sha256", primeMinusOne),
            ("diffie-hellman-group14-sha256", [0xff]),
            ("curve25519-sha256", new byte[32]),
            ("curve25519-sha256", new byte[31]),
            ("curve25519-sha256", [1, .. new byte[31]]),
            ("ecdh-sha2-nistp256", [0]),
            ("ecdh-sha2-nistp256", [4, .. new byte[64]]),
        ])
        {
            var algorithms = KexTestOptions.Prefer(method, "ssh-ed25519");
            using var pair = new KexTestPair(KexTestOptions.Client(algorithms), KexTestOptions.Server(algorithms));
            var (sender, victim) = atClient ? (pair.Server, pair.Client) : (pair.Client, pair.Server);
            sender.Rewrite = payload => payload[0] switch
            {
                30 => Write(new KexInitValueMessage(MessageId.KexInitValue, value)),
                31 => WithValue(payload, value),
                _ => payload,
            };
            await pair.ConnectAsync();
            Assert.Equal(SshError.KeyExchangeFailed, victim.Fault!.Error);
            Assert.DoesNotContain((byte)21, victim.Sent);
        }
    }

    // INVARIANT 13
    [Fact]
    public async Task GroupsThatWereNotAskedForAreRefused()
    {
        byte[] prime = ModuliFile.Empty.Choose(2048, 2048, 2048).Prime.ToArray();
        byte[] even = [.. prime];
        even[^1] ^= 1;
        byte[] minusOne = [.. even];
        foreach (var group in (KexDhGexGroupMessage[])
        [
            new(prime.AsMemory(0, 128), new byte[] { 2 }),
            new(new byte[] { 23 }, new byte[] { 5 }),
            new(even, new byte[] { 2 }),
            new(prime, new byte[] { 1 }),
            new(prime, ReadOnlyMemory<byte>.Empty),
            new(prime, minusOne),
        ])
        {
            var algorithms = KexTestOptions.Prefer("diffie-hellman-group-exchange-sha256", "ssh-ed25519");
            using var pair = new KexTestPair(KexTestOptions.Client(algorithms), KexTestOptions.Server(algorithms));
            pair.Server.Rewrite = payload =>
            {
                if (payload[0] != 31)
                    return payload;
                var writer = new SshWriter(600);
                group.Write(ref writer);
                return writer.ToArray();
            };
            await pair.ConnectAsync();
            Assert.Equal(SshError.KeyExchangeFailed, pair.Client.Fault!.Error);
            Assert.Equal([20, 34], pair.Client.Sent);
        }
    }

    [Theory]
    [InlineData(1024u, 1024u, 1024u)]
    [InlineData(3072u, 2048u, 8192u)]
    [InlineData(2048u, 8192u, 4096u)]
    [InlineData(9000u, 9000u, 9000u)]
    public async Task GroupRequestsOutOfRangeAreRefused(uint min, uint preferred, uint max)
    {
        var algorithms = KexTestOptions.Prefer("diffie-hellman-group-exchange-sha256", "ssh-ed25519");
        using var pair = new KexTestPair(KexTestOptions.Client(algorithms), KexTestOptions.Server(algorithms));
        pair.Client.Rewrite = payload =>
        {
            if (payload[0] != 34)
                return payload;
            var writer = new SshWriter(16);
            new KexDhGexRequestMessage(min, preferred, max).Write(ref writer);
            return writer.ToArray();
        };
        await pair.ConnectAsync();
        Assert.Equal(SshError.KeyExchangeFailed, pair.Server.Fault!.Error);
    }

    private static KexTestPair Pair() => new(KexTestOptions.Client(), KexTestOptions.Server());

    private static byte[] WithHostKey(byte[] payload, byte[] blob) => Write(ReadReply(payload) with { HostKey = blob });

    private static byte[] WithValue(byte[] payload, byte[] value) => Write(ReadReply(payload) with { Value = value });

    private static KexReplyValueMessage ReadReply(byte[] payload)
    {
        var reader = new SshReader(payload.AsSpan(1));
        return KexReplyValueMessage.Read((MessageId)payload[0], ref reader);
    }

    private static byte[] Write(KexReplyValueMessage message)
    {
        var writer = new SshWriter(4096);
        message.Write(ref writer);
        return writer.ToArray();
    }

    private static byte[] Write(KexInitValueMessage message)
    {
        var writer = new SshWriter(4096);
        message.Write(ref writer);
        return writer.ToArray();
    }

    private static byte[] Rename(byte[] payload, string from, string to)
    {
        var latin = System.Text.Encoding.Latin1;
        return latin.GetBytes(latin.GetString(payload).Replace(from, to, StringComparison.Ordinal));
    }
}
