using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Transport;

/// <summary>Key exchanges that go well, in every order.</summary>
public class KexSessionTests
{
    public static TheoryData<string, string> MethodsAndHostKeys()
    {
        var data = new TheoryData<string, string>();
        foreach (var method in Algorithms.KeyExchange)
        {
            foreach (var hostKey in Algorithms.HostKey.Where(row => !row.IsCertificate))
                data.Add(method.Name, hostKey.Name);
        }
        return data;
    }

    public static TheoryData<string, string?> CiphersAndMacs()
    {
        var data = new TheoryData<string, string?>();
        foreach (var cipher in Algorithms.Ciphers)
        {
            if (cipher.IsAead)
                data.Add(cipher.Name, null);
            else
            {
                foreach (var mac in Algorithms.Macs)
                    data.Add(cipher.Name, mac.Name);
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(MethodsAndHostKeys))]
    public async Task EveryMethodWorksWithEveryHostKey(string method, string hostKey)
    {
        var algorithms = KexTestOptions.Prefer(method, hostKey);
        using var pair = new KexTestPair(KexTestOptions.Client(algorithms), KexTestOptions.Server(algorithms));
        await pair.ConnectAsync();
        await pair.AssertEqualAsync(exchanges: 1);
        Assert.Equal(method, pair.Client.Session.Algorithms!.KeyExchange);
        Assert.Equal(hostKey, pair.Client.Session.Algorithms.HostKey);
        Assert.Contains(hostKey, pair.Client.VerifiedKey!.SignatureAlgorithms);

        await pair.LogInAsync();
        pair.Server.Session.Start();
        await pair.PumpAsync();
        await pair.AssertEqualAsync(exchanges: 2);
    }

    [Theory]
    [MemberData(nameof(CiphersAndMacs))]
    public async Task EveryCipherCarriesDataAcrossRekeys(string cipher, string? mac)
    {
        var algorithms = KexTestOptions.Prefer(cipher: cipher, mac: mac);
        using var pair = new KexTestPair(KexTestOptions.Client(algorithms), KexTestOptions.Server(algorithms));
        await pair.ConnectAsync();
        await pair.AssertEqualAsync(exchanges: 1);
        Assert.Equal(new DirectionAlgorithms(cipher, mac, "none"), pair.Client.Session.Algorithms!.ClientToServer);
        await pair.LogInAsync();
        for (int exchange = 2; exchange <= 4; exchange++)
        {
            (exchange % 2 == 0 ? pair.Client : pair.Server).Session.Start();
            await pair.PumpAsync();
            await pair.AssertEqualAsync(exchange);
        }
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task EitherSideOrBothMayStart(bool clientStarts, bool serverStarts)
    {
        using var pair = new KexTestPair(KexTestOptions.Client(), KexTestOptions.Server());
        for (int exchange = 1; exchange <= 3; exchange++)
        {
            if (clientStarts)
                pair.Client.Session.Start();
            if (serverStarts)
                pair.Server.Session.Start();
            Assert.Equal(clientStarts, pair.Client.Session.OutboundBlocked);
            Assert.Equal(serverStarts, pair.Server.Session.InProgress);
            pair.Client.Session.Start(); // again: only one KEXINIT may leave
            if (!clientStarts)
                Assert.True(pair.Client.Session.InProgress);
            await pair.PumpAsync();
            await pair.AssertEqualAsync(exchange);
            Assert.Equal(exchange, pair.Client.Sent.Count(id => id == 20));
            Assert.Equal(exchange, pair.Server.Sent.Count(id => id == 20));
            if (exchange == 1)
                await pair.LogInAsync();
        }
    }

    [Fact]
    public async Task StartInTheMiddleChangesNothing()
    {
        using var pair = new KexTestPair(KexTestOptions.Client(), KexTestOptions.Server());
        pair.Client.Session.Start();
        while (pair.Client.Outgoing.Count > 0 || pair.Server.Outgoing.Count > 0)
        {
            await pair.DeliverAsync(pair.Client.Outgoing.Count > 0 ? pair.Client : pair.Server);
            if (pair.Client.Session.InProgress)
                pair.Client.Session.Start();
            if (pair.Server.Session.InProgress)
                pair.Server.Session.Start();
        }
        await pair.AssertEqualAsync(exchanges: 1);
    }

    // INVARIANT 2: strict only when both want it; then every NEWKEYS, also a later one, starts the sequence numbers over.
    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task StrictKeyExchangeResetsSequenceNumbers(bool client, bool server)
    {
        using var pair = new KexTestPair(KexTestOptions.Client(strict: client), KexTestOptions.Server(strict: server));
        await pair.ConnectAsync();
        Assert.Equal(client && server, pair.Client.Session.StrictKex);
        Assert.Equal(client && server, pair.Server.Session.StrictKex);
        // One packet after NEWKEYS: EXT_INFO.
        Assert.Equal(client && server ? 1u : (uint)pair.Client.Sent.Count, pair.Client.SendSequence);
        await pair.AssertEqualAsync(exchanges: 1);
        await pair.LogInAsync();
        pair.Client.Session.Start();
        await pair.PumpAsync();
        Assert.Equal(client && server ? 0u : (uint)pair.Server.Sent.Count, pair.Server.SendSequence);
        await pair.AssertEqualAsync(exchanges: 2);
    }

    [Fact]
    public async Task FlagsStandInTheFirstKexInitOnly()
    {
        using var pair = new KexTestPair(KexTestOptions.Client(), KexTestOptions.Server());
        var offers = new List<string>();
        byte[] Look(byte[] payload)
        {
            if (payload[0] == 20)
                offers.Add(string.Join(',', KexProposal.Parse(payload).Message.KeyExchange));
            return payload;
        }
        pair.Client.Rewrite = Look;
        pair.Server.Rewrite = Look;
        await pair.ConnectAsync();
        await pair.LogInAsync();
        pair.Client.Session.Start();
        await pair.PumpAsync();
        await pair.AssertEqualAsync(exchanges: 2);
        Assert.EndsWith(",ext-info-c,kex-strict-c-v00@openssh.com", offers[0], StringComparison.Ordinal);
        Assert.EndsWith(",ext-info-s,kex-strict-s-v00@openssh.com", offers[1], StringComparison.Ordinal);
        Assert.All(offers[2..], offer => Assert.DoesNotContain("ext-info", offer, StringComparison.Ordinal));
        Assert.All(offers[2..], offer => Assert.DoesNotContain("strict", offer, StringComparison.Ordinal));
    }

    // INVARIANT 6
    [Fact]
    public async Task ExtInfoFollowsTheFirstNewKeysAtOnceAndOnlyThat()
    {
        using var pair = new KexTestPair(KexTestOptions.Client(), KexTestOptions.Server());
        await pair.ConnectAsync();
        foreach (var end in (KexTestEnd[])[pair.Client, pair.Server])
        {
            Assert.Equal(7, end.Sent[end.Sent.IndexOf(21) + 1]);
            Assert.True(end.Session.PeerSentExtInfoMarker);
        }
        Assert.True(ExtInfo.Parse(Assert.Single(pair.Client.Received)).Ping);
        Assert.True(ExtInfo.Parse(Assert.Single(pair.Server.Received)).ExtInfoInAuth);
        await pair.LogInAsync();
        pair.Server.Session.Start();
        await pair.PumpAsync();
        await pair.AssertEqualAsync(exchanges: 2);
        Assert.Equal(1, pair.Client.Sent.Count(id => id == 7));
        Assert.Equal(1, pair.Server.Sent.Count(id => id == 7));
    }

    [Theory]
    [InlineData("curve25519-sha256,ecdh-sha2-nistp256", true)]
    [InlineData("ecdh-sha2-nistp256,curve25519-sha256", false)]
    [InlineData("diffie-hellman-group-exchange-sha256,curve25519-sha256", false)]
    public async Task AGuessIsUsedWhenRightAndIgnoredWhenWrong(string serverMethods, bool right)
    {
        using var pair = new KexTestPair(
            KexTestOptions.Client(KexTestOptions.Prefer("curve25519-sha256,ecdh-sha2-nistp256", "ssh-ed25519"), guess: true),
            KexTestOptions.Server(KexTestOptions.Prefer(serverMethods, "ssh-ed25519")));
        pair.Client.Session.Start();
        Assert.Equal([20, 30], pair.Client.Sent);
        await pair.PumpAsync();
        await pair.AssertEqualAsync(exchanges: 1);
        Assert.Equal(right ? 1 : 2, pair.Client.Sent.Count(id => id == 30));
        await pair.LogInAsync();
        pair.Client.Session.Start();
        await pair.PumpAsync();
        await pair.AssertEqualAsync(exchanges: 2);
    }

    [Fact]
    public async Task AGuessWithAnotherHostKeyAlgorithmIsWrong()
    {
        using var pair = new KexTestPair(
            KexTestOptions.Client(KexTestOptions.Prefer("curve25519-sha256", "ecdsa-sha2-nistp256,ssh-ed25519"), guess: true),
            KexTestOptions.Server(KexTestOptions.Prefer("curve25519-sha256", "ssh-ed25519,ecdsa-sha2-nistp256")));
        await pair.ConnectAsync();
        await pair.AssertEqualAsync(exchanges: 1);
        Assert.Equal("ecdsa-sha2-nistp256", pair.Client.Session.Algorithms!.HostKey);
        Assert.Equal(2, pair.Client.Sent.Count(id => id == 30));
    }

    [Fact]
    public async Task AGuessOfGroupExchangeWorksToo()
    {
        using var pair = new KexTestPair(
            KexTestOptions.Client(KexTestOptions.Prefer("diffie-hellman-group-exchange-sha256", "ssh-ed25519"), guess: true),
            KexTestOptions.Server(KexTestOptions.Prefer("diffie-hellman-group-exchange-sha256", "ssh-ed25519")));
        await pair.ConnectAsync();
        await pair.AssertEqualAsync(exchanges: 1);
        Assert.Equal(1, pair.Client.Sent.Count(id => id == 34));
    }

    [Fact]
    public async Task KnownKeyTypesComeFirst()
    {
        using var pair = new KexTestPair(KexTestOptions.Client(knownTypes: "ssh-rsa"), KexTestOptions.Server());
        await pair.ConnectAsync();
        Assert.Equal("rsa-sha2-512", pair.Client.Session.Algorithms!.HostKey);
        Assert.Equal("ssh-rsa", pair.Client.VerifiedKey!.KeyType);
    }

    // INVARIANT 15, for its part: exchanges by either side at random moments, in random order of delivery, with data in between.
    [Fact]
    public async Task RandomRekeysFromBothSidesNeverDisagree()
    {
        var random = new Random(4250);
        using var pair = new KexTestPair(KexTestOptions.Client(), KexTestOptions.Server());
        await pair.ConnectAndLogInAsync();
        int sent = 0;
        for (int round = 0; round < 300; round++)
        {
            var end = random.Next(2) == 0 ? pair.Client : pair.Server;
            switch (random.Next(4))
            {
                case 0:
                    end.Session.Start();
                    break;
                case 1 when !end.Session.OutboundBlocked:
                    end.Send([94, (byte)round]);
                    sent++;
                    break;
                default:
                    if (end.Outgoing.Count > 0)
                        await pair.DeliverAsync(end);
                    break;
            }
        }
        await pair.PumpAsync(random);
        Assert.Equal(sent, pair.Client.Received.Count + pair.Server.Received.Count);
        Assert.Equal(pair.Client.Completed.Count, pair.Server.Completed.Count);
        Assert.True(pair.Client.Completed.Count > 10);
        await pair.AssertEqualAsync(pair.Client.Completed.Count);
    }

    [Fact]
    public async Task StartMayBeCalledFromManyThreads()
    {
        using var pair = new KexTestPair(KexTestOptions.Client(), KexTestOptions.Server());
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(pair.Client.Session.Start)));
        Assert.Equal([20], pair.Client.Sent);
        await pair.PumpAsync();
        await pair.AssertEqualAsync(exchanges: 1);
    }

    [Fact]
    public async Task AServerWithoutAFittingHostKeySaysSo()
    {
        using var pair = new KexTestPair(KexTestOptions.Client(), KexTestOptions.Server(keys: []));
        pair.Client.Session.Start();
        await pair.PumpAsync();
        Assert.Equal(SshError.Configuration, pair.Server.Fault!.Error);
    }

    // A stranger's key exchange takes milliseconds, and a thread that watches sockets has other connections waiting.
    [Fact]
    public async Task NothingIsComputedOnAThreadThatWatchesSockets()
    {
        var signer = new PlacedSigner(KexTestOptions.Key("ssh-ed25519"));
        using var pair = new KexTestPair(KexTestOptions.Client(), KexTestOptions.Server(keys: [signer]));
        await Task.Factory.StartNew(pair.ConnectAsync, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap().WaitAsync(TimeSpan.FromSeconds(60));
        await pair.AssertEqualAsync(exchanges: 1);
        Assert.True(signer.IsOnPool);
    }

    private sealed class PlacedSigner(PrivateKey key) : ISigner
    {
        public bool? IsOnPool { get; private set; }

        public PublicKey PublicKey => key.PublicKey;

        public string Comment => "";

        public ValueTask<byte[]> SignAsync(string algorithm, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            IsOnPool = Thread.CurrentThread.IsThreadPoolThread;
            return key.SignAsync(algorithm, data, cancellationToken);
        }
    }
}
