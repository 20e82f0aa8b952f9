using System.Buffers.Binary;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Transport;

/// <summary>Peers that lie, and somebody on the way who changes things.</summary>
public class KexAttackTests
{
    private static readonly byte[] Ignore = [2, 0, 0, 0, 0];

    // INVARIANT 2 (Terrapin): a packet slipped in before KEXINIT or between KEXINIT and NEWKEYS ends a strict exchange.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task AStrictExchangeTakesNothingSlippedIn(int position)
    {
        foreach (byte[] extra in (byte[][])[Ignore, [3, 0, 0, 0, 0], [4, 0, 0, 0, 0, 0, 0, 0, 0, 0], [9], [7, 0, 0, 0, 0], [192, 0, 0, 0, 0]])
        {
            foreach (bool atClient in (bool[])[true, false])
            {
                using var pair = Pair();
                var fault = await RunWithExtra(pair, atClient, position, extra);
                Assert.NotNull(fault);
                Assert.Equal(SshError.ProtocolError, fault.Error);
                Assert.Empty((atClient ? pair.Client : pair.Server).Completed);
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task AnExchangeThatIsNotStrictTakesIgnore(int position)
    {
        using var pair = new KexTestPair(KexTestOptions.Client(strict: false), KexTestOptions.Server());
        Assert.Null(await RunWithExtra(pair, atClient: true, position, Ignore));
        pair.Client.Received.Clear();
        await pair.AssertEqualAsync(exchanges: 1);
    }

    // INVARIANTS 1, 3, 5: during an exchange the peer may say nothing else, first or later exchange, either role.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task NothingElsePassesDuringARekey(bool atClient)
    {
        foreach (byte id in (byte[])[5, 6, 7, 50, 51, 52, 80, 90, 94, 192])
        {
            using var pair = Pair();
            await pair.ConnectAndLogInAsync();
            var (sender, victim) = atClient ? (pair.Server, pair.Client) : (pair.Client, pair.Server);
            sender.Session.Start();
            await pair.DeliverAsync(sender);
            sender.Send([id, 0, 0, 0, 0]);
            await pair.DeliverAsync(sender);
            Assert.Equal(DisconnectReason.ProtocolError, victim.Fault!.DisconnectReason);
            Assert.Empty(victim.Received);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ASecondKexInitEndsIt(bool atClient)
    {
        using var pair = Pair();
        var (sender, victim) = atClient ? (pair.Server, pair.Client) : (pair.Client, pair.Server);
        sender.Session.Start();
        await pair.DeliverAsync(sender);
        sender.Send(KexProposal.Build(sender.Role, KexTestOptions.Server(), first: true, guess: false).Payload);
        await pair.DeliverAsync(sender);
        Assert.Equal(SshError.ProtocolError, victim.Fault!.Error);
        // Also where only the session is asked.
        using var session = new KexSession(SshRole.Client, KexTestOptions.Client(), "SSH-2.0-x"u8.ToArray(), new PhaseGate(SshRole.Client), victim);
        byte[] kexInit = KexProposal.Build(SshRole.Server, KexTestOptions.Server(), first: true, guess: false).Payload;
        await session.ReceiveAsync(MessageId.KexInit, kexInit, default);
        await Assert.ThrowsAsync<SshException>(async () => await session.ReceiveAsync(MessageId.KexInit, kexInit, default));
    }

    // Every kex number at every step of an exchange, past the gate: only the one that is expected is taken.
    [Theory]
    [InlineData(true, "curve25519-sha256")]
    [InlineData(false, "curve25519-sha256")]
    [InlineData(true, "diffie-hellman-group-exchange-sha256")]
    [InlineData(false, "diffie-hellman-group-exchange-sha256")]
    public async Task MessagesOutOfPlaceEndIt(bool atClient, string method)
    {
        for (int step = 0; step < 4; step++)
        {
            for (int id = 20; id < 50; id++)
            {
                using var pair = new KexTestPair(KexTestOptions.Client(KexTestOptions.Prefer(method)), KexTestOptions.Server(KexTestOptions.Prefer(method)));
                var (sender, victim) = atClient ? (pair.Server, pair.Client) : (pair.Client, pair.Server);
                pair.Client.Session.Start();
                pair.Server.Session.Start();
                int delivered = 0;
                byte next = 0;
                while (victim.Fault is null)
                {
                    if (victim.Outgoing.Count > 0)
                        await pair.DeliverAsync(victim);
                    else if (delivered < step && sender.Outgoing.Count > 0)
                    {
                        delivered++;
                        await pair.DeliverAsync(sender);
                    }
                    else
                        break;
                }
                if (sender.Outgoing.TryPeek(out byte[]? frame))
                    next = sender.Sent[delivered];
                if (id == next || next == 7)
                    continue; // that one is right, though its content may be wrong
                int completed = victim.Completed.Count;
                bool newKeysSent = victim.Sent.Contains(21);
                var error = await Assert.ThrowsAsync<SshException>(async () =>
                    await victim.Session.ReceiveAsync((MessageId)id, new byte[] { (byte)id, 0, 0, 0, 0 }, default));
                Assert.Equal(SshError.ProtocolError, error.Error);
                Assert.Equal(completed, victim.Completed.Count);
                Assert.Equal(newKeysSent, victim.Sent.Contains(21));
                // And it stays ended.
                await Assert.ThrowsAsync<SshException>(async () => await victim.Session.ReceiveAsync(MessageId.KexInit, frame, default));
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task AWrongGuessIsThrownAwayExactlyOnce(int guesses)
    {
        using var pair = new KexTestPair(
            KexTestOptions.Client(KexTestOptions.Prefer("ecdh-sha2-nistp256,curve25519-sha256"), guess: true),
            KexTestOptions.Server(KexTestOptions.Prefer("curve25519-sha256,ecdh-sha2-nistp384")));
        pair.Client.Session.Start();
        for (int i = 1; i < guesses; i++)
            pair.Client.Send([30, 0, 0, 0, 1, 9]);
        await pair.PumpAsync();
        if (guesses == 1)
            await pair.AssertEqualAsync(exchanges: 1);
        else
        {
            Assert.NotNull(pair.Server.Fault);
            Assert.Empty(pair.Client.Completed);
        }
    }

    [Fact]
    public async Task NewKeysInPlaceOfAThrownAwayGuessEndsIt()
    {
        using var session = Victim(SshRole.Server, out _);
        var kexInit = KexProposal.Build(SshRole.Client, KexTestOptions.Client(KexTestOptions.Prefer("ecdh-sha2-nistp256,curve25519-sha256")), true, guess: true);
        await session.ReceiveAsync(MessageId.KexInit, kexInit.Payload, default);
        await Assert.ThrowsAsync<SshException>(async () => await session.ReceiveAsync(MessageId.NewKeys, new byte[] { 21 }, default));
    }

    // INVARIANT 4: a key that is refused gets neither NEWKEYS nor anything behind it.
    [Fact]
    public async Task ARefusedHostKeyStopsEverything()
    {
        using var pair = Pair();
        pair.Client.VerifyHostKey = (_, _) => throw new SshException(SshError.HostKeyUnknown, "Host key verification failed.");
        await pair.ConnectAsync();
        Assert.Equal(SshError.HostKeyUnknown, pair.Client.Fault!.Error);
        Assert.Equal([20, 30], pair.Client.Sent);
        Assert.Empty(pair.Client.Completed);
        Assert.True(pair.Client.Session.SessionId.IsEmpty);
        Assert.Empty(pair.Server.Completed);
    }

    // INVARIANT 4: nothing leaves while a person is asked.
    [Fact]
    public async Task NothingLeavesWhileTheHostKeyIsBeingVerified()
    {
        using var pair = Pair();
        var answer = new TaskCompletionSource();
        pair.Client.VerifyHostKey = async (_, _) => await answer.Task;
        var connecting = pair.ConnectAsync();
        Assert.False(connecting.IsCompleted);
        Assert.Equal(1, pair.Client.Verifications);
        Assert.Equal([20, 30], pair.Client.Sent);
        Assert.Empty(pair.Client.Completed);
        Assert.True(pair.Client.Session.SessionId.IsEmpty);
        answer.SetResult();
        await connecting;
        await pair.AssertEqualAsync(exchanges: 1);
    }

    // INVARIANT 4
    [Theory]
    [InlineData("ssh-ed25519")]
    [InlineData("ecdsa-sha2-nistp256")]
    public async Task AnotherHostKeyAtARekeyEndsIt(string keyType)
    {
        var signer = new SwitchingSigner(KexTestOptions.Key(keyType), PrivateKey.Generate(keyType));
        using var pair = new KexTestPair(KexTestOptions.Client(), KexTestOptions.Server(keys: [signer]));
        await pair.ConnectAndLogInAsync();
        pair.Client.Session.Start();
        await pair.PumpAsync();
        await pair.AssertEqualAsync(exchanges: 2);
        signer.Switched = true;
        pair.Client.Session.Start();
        await pair.PumpAsync();
        Assert.Equal(SshError.HostKeyChanged, pair.Client.Fault!.Error);
        Assert.Equal(DisconnectReason.HostKeyNotVerifiable, pair.Client.Fault.DisconnectReason);
        Assert.Equal(2, pair.Client.Completed.Count);
        Assert.Equal(2, pair.Client.Sent.Count(id => id == 21));
        Assert.Equal(1, pair.Client.Verifications);
    }

    // INVARIANTS 2, 30: whatever arrives, in whatever order, with whatever content: an SshException or progress, never keys that only one side has.
    [Fact]
    public async Task RandomMessagesNeverCrashNorCompleteAlone()
    {
        var random = new Random(20);
        string[] methods = ["curve25519-sha256", "ecdh-sha2-nistp256", "diffie-hellman-group-exchange-sha256"];
        int completed = 0;
        for (int round = 0; round < 1500; round++)
        {
            var algorithms = KexTestOptions.Prefer(methods[random.Next(random.Next(10) == 0 ? 3 : 2)], "ssh-ed25519", "aes128-ctr", "hmac-sha2-256");
            using var pair = new KexTestPair(
                KexTestOptions.Client(algorithms, guess: random.Next(2) == 0, strict: random.Next(2) == 0), KexTestOptions.Server(algorithms));
            pair.Client.Session.Start();
            if (random.Next(2) == 0)
                pair.Server.Session.Start();
            for (int step = 0; step < 12 && pair.Client.Fault is null && pair.Server.Fault is null; step++)
            {
                var end = random.Next(2) == 0 ? pair.Client : pair.Server;
                if (random.Next(12) == 0)
                    end.Send(RandomMessage(random));
                else if (random.Next(40) == 0 && end.Outgoing.Count > 0)
                    end.Outgoing.Dequeue(); // lost: what follows does not fit
                else if (random.Next(40) == 0 && end.Outgoing.Count > 1)
                    end.Outgoing.Enqueue(end.Outgoing.Dequeue()); // out of order
                else if (end.Outgoing.Count > 0)
                    await pair.DeliverAsync(end);
            }
            if (pair.Client.Completed.Count > 0 && pair.Server.Completed.Count > 0)
            {
                completed++;
                Assert.Equal(pair.Client.Session.SessionId.ToArray(), pair.Server.Session.SessionId.ToArray());
                Assert.Equal(pair.Client.Session.StrictKex, pair.Server.Session.StrictKex);
            }
            // Completing alone is only possible for the side that heard the other's NEWKEYS, which then has the same id.
            foreach (var end in (KexTestEnd[])[pair.Client, pair.Server])
            {
                if (end.Completed.Count > 0 && !pair.Other(end).Session.SessionId.IsEmpty)
                    Assert.Equal(end.Session.SessionId.ToArray(), pair.Other(end).Session.SessionId.ToArray());
            }
        }
        Assert.True(completed > 100, $"only {completed} of 1500 completed: the test tests too little");
    }

    private static KexTestPair Pair() => new(KexTestOptions.Client(), KexTestOptions.Server());

    private static KexSession Victim(SshRole role, out KexTestEnd sink)
    {
        sink = new KexTestEnd(role, role == SshRole.Client ? KexTestOptions.Client() : KexTestOptions.Server(), "SSH-2.0-x");
        sink.Session.RemoteVersion = "SSH-2.0-y"u8.ToArray();
        return sink.Session;
    }

    private static async Task<SshException?> RunWithExtra(KexTestPair pair, bool atClient, int position, byte[] extra)
    {
        var (sender, victim) = atClient ? (pair.Server, pair.Client) : (pair.Client, pair.Server);
        int seen = 0;
        bool inside = false;
        sender.Rewrite = payload =>
        {
            if (!inside && seen++ == position)
            {
                inside = true;
                sender.Send(extra);
                inside = false;
            }
            return payload;
        };
        await pair.ConnectAsync();
        return victim.Fault ?? sender.Fault;
    }

    private static byte[] RandomMessage(Random random)
    {
        byte[] ids = [1, 2, 3, 4, 5, 6, 7, 9, 20, 21, 30, 31, 32, 33, 34, 35, 50, 52, 80, 90, 192];
        var message = new byte[random.Next(1, 80)];
        random.NextBytes(message);
        message[0] = ids[random.Next(ids.Length)];
        if (message.Length > 5 && random.Next(2) == 0)
            BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(1), message.Length - 5);
        return message;
    }

    private sealed class SwitchingSigner(ISigner before, ISigner after) : ISigner
    {
        public bool Switched { get; set; }

        public PublicKey PublicKey => (Switched ? after : before).PublicKey;

        public string Comment => "";

        public ValueTask<byte[]> SignAsync(string algorithm, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) =>
            (Switched ? after : before).SignAsync(algorithm, data, cancellationToken);
    }
}
