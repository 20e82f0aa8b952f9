using System.Buffers.Binary;
using Adit.Ssh.Authentication;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Tests.Connection;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Tests.Transport;

/// <summary>What a client remembers of servers, and the guess it makes of it.</summary>
public sealed class KexMemoryTests : IDisposable
{
    private static readonly PrivateKey HostKey = PrivateKey.Generate("ed25519");
    private static readonly PrivateKey UserKey = PrivateKey.Generate("ed25519");

    private readonly string _folder = Directory.CreateTempSubdirectory("adit-kex-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task The_second_connection_sends_its_value_before_the_server_has_said_anything()
    {
        var memory = new KexMemory();
        Assert.False(await ConnectAsync(memory, "curve25519-sha256,ecdh-sha2-nistp256", heldUntil: 20));
        // Until the client's value (30) is there it hears nothing: without a guess this would not end.
        Assert.True(await ConnectAsync(memory, "curve25519-sha256,ecdh-sha2-nistp256", heldUntil: 30));
    }

    [Fact]
    public async Task A_server_that_changed_its_mind_throws_the_guess_away_and_is_forgotten()
    {
        var memory = new KexMemory();
        await ConnectAsync(memory, "curve25519-sha256", heldUntil: 20);
        Assert.True(await ConnectAsync(memory, "ecdh-sha2-nistp256,curve25519-sha256", heldUntil: 30));
        Assert.False(await ConnectAsync(memory, "ecdh-sha2-nistp256,curve25519-sha256", heldUntil: 20));
    }

    [Fact]
    public void Nothing_is_guessed_where_the_host_is_unknown_or_nothing_is_remembered()
    {
        var memory = new KexMemory();
        Guess(memory, known: []).Learn(Server("a", "ssh-ed25519"), isAuthentic: true);
        Assert.False(Guess(memory, known: []).IsSent);
        Assert.False(Guess(memory).IsSent);
        Assert.False(Guess(null).IsSent);
    }

    [Theory]
    [InlineData("b,c", "b")] // not our best, but the best of what both have, and the server's favourite
    [InlineData("a,b", "a")]
    [InlineData("c,b", null)] // we come to b, and it likes c best
    [InlineData("x,y", null)]
    public void A_guess_takes_what_both_sides_like_best(string server, string? expected)
    {
        var memory = new KexMemory();
        Guess(memory, "a,b,c").Learn(Server(server, "ssh-ed25519"), isAuthentic: true);
        var guess = Guess(memory, "a,b,c");
        Assert.Equal(expected is not null, guess.IsSent);
        Assert.Equal(expected ?? "a", guess.Offer.KeyExchange[0]);
        Assert.Equal(["a", "b", "c"], guess.Offer.KeyExchange.Order());
        if (expected is not null)
            Assert.True(KexNegotiation.GuessIsRight(Server(string.Join(',', guess.Offer.KeyExchange), guess.Offer.HostKey[0]), Server(server, "ssh-ed25519")));
    }

    [Fact]
    public void Another_offer_port_or_host_starts_anew()
    {
        var memory = new KexMemory();
        Guess(memory, "a,b").Learn(Server("a", "ssh-ed25519"), isAuthentic: true);
        Assert.True(Guess(memory, "a,b").IsSent);
        Assert.False(Guess(memory, "b,a").IsSent);
        Assert.False(Guess(memory, "a,b", host: "other").IsSent);
        Assert.False(Guess(memory, "a,b", port: 23).IsSent);
        Assert.False(Guess(memory, "a,b", known: ["ecdsa-sha2-nistp256"]).IsSent);
    }

    [Fact]
    public void An_offer_that_nobody_vouches_for_can_only_be_forgotten()
    {
        var memory = new KexMemory();
        Guess(memory, "a,b").Learn(Server("b", "ssh-ed25519"), isAuthentic: false);
        Assert.False(Guess(memory, "a,b").IsSent);
        Guess(memory, "a,b").Learn(Server("a", "ssh-ed25519"), isAuthentic: true);
        Guess(memory, "a,b").Learn(Server("b", "ssh-ed25519"), isAuthentic: false);
        Assert.Equal("a", Guess(memory, "a,b").Offer.KeyExchange[0]);
        Guess(memory, "a,b").Learn(Server("x,a", "ssh-ed25519"), isAuthentic: false);
        Assert.False(Guess(memory, "a,b").IsSent);
    }

    [Fact]
    public void A_file_keeps_it_for_other_processes_and_holds_no_names()
    {
        string path = Path.Combine(_folder, "cache", "kex");
        Guess(new KexMemory(path), "a,b").Learn(Server("b", "ssh-ed25519"), isAuthentic: true);
        Assert.Equal("b", Guess(new KexMemory(path), "a,b").Offer.KeyExchange[0]);
        Assert.DoesNotContain("bastion", File.ReadAllText(path), StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
    }

    [Fact]
    public void A_file_that_makes_no_sense_or_cannot_be_written_is_passed_over()
    {
        string path = Path.Combine(_folder, "kex");
        File.WriteAllText(path, "nonsense\n\0\n a b\nx y z w\n");
        Guess(new KexMemory(path), "a").Learn(Server("a", "ssh-ed25519"), isAuthentic: true);
        Assert.True(Guess(new KexMemory(path), "a").IsSent);

        var memory = new KexMemory(Path.Combine(path, "below-a-file"));
        Guess(memory, "a").Learn(Server("a", "ssh-ed25519"), isAuthentic: true);
    }

    [Fact]
    public void The_oldest_make_way()
    {
        var memory = new KexMemory();
        for (int port = 1; port <= 300; port++)
            Guess(memory, "a", port: port).Learn(Server("a", "ssh-ed25519"), isAuthentic: true);
        Assert.False(Guess(memory, "a", port: 1).IsSent);
        Assert.True(Guess(memory, "a", port: 300).IsSent);
    }

    private static KexGuess Guess(KexMemory? memory, string methods = "a,b", string host = "bastion", int port = 22, string[]? known = null) =>
        new(memory, host, port, new AlgorithmPreferences { KeyExchange = methods.Split(','), HostKey = ["ssh-ed25519", "ecdsa-sha2-nistp256"] }, known ?? ["ssh-ed25519"]);

    private static KexInitMessage Server(string methods, string hostKeys) => KexProposal.Build(
        SshRole.Client, new KexOptions { Algorithms = new AlgorithmPreferences { KeyExchange = methods.Split(','), HostKey = hostKeys.Split(',') } }, first: true, guess: false).Message;

    /// <summary>Connects and logs in, and says whether the client guessed; over a stream whose client hears nothing until it has sent packet <paramref name="heldUntil"/> in the clear.</summary>
    private static async Task<bool> ConnectAsync(KexMemory memory, string serverMethods, byte heldUntil)
    {
        await using var server = new SshServer(new SshServerOptions
        {
            HostKeys = { HostKey },
            Authenticator = Authentication.ScriptedAuthenticator.ForKeys(UserKey.PublicKey),
            Algorithms = KexTestOptions.Prefer(serverMethods),
        });
        var (near, far) = MemoryDuplex.Pair();
        var held = new HeldStream(near, heldUntil);
        var serving = server.ServeAsync(far);
        var client = await SshClient.ConnectAsync(new SshClientOptions("alice@bastion")
        {
            Credentials = { Credential.Key(UserKey) },
            HostKeyVerifier = new Known(),
            Algorithms = KexTestOptions.Prefer("curve25519-sha256,ecdh-sha2-nistp256", "ssh-ed25519"),
            KexMemory = memory,
            ConnectCallback = (_, _) => ValueTask.FromResult<Stream>(held),
        }).WaitAsync(TimeSpan.FromSeconds(30));
        await client.DisposeAsync();
        await serving.WaitAsync(TimeSpan.FromSeconds(30));
        return held.Guessed;
    }

    private sealed class Known : IHostKeyVerifier
    {
        public IReadOnlyList<string> KnownKeyTypes(string host, int port) => [HostKey.PublicKey.KeyType];

        public ValueTask VerifyAsync(HostKeyContext context, CancellationToken cancellationToken)
        {
            Assert.Equal(HostKey.PublicKey, context.Key);
            return ValueTask.CompletedTask;
        }
    }

    /// <summary>The client's end: nothing is read from it until a packet of a certain number was written.</summary>
    private sealed class HeldStream(MemoryDuplex inner, byte until) : Stream
    {
        private readonly TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly List<byte> _written = [];

        /// <summary>The first SSH_MSG_KEXINIT said that a packet follows.</summary>
        public bool Guessed { get; private set; }

        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await _open.Task.WaitAsync(cancellationToken);
            return await inner.ReadAsync(buffer, cancellationToken);
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await inner.WriteAsync(buffer, cancellationToken);
            if (_open.Task.IsCompleted)
                return;
            _written.AddRange(buffer.Span);
            LookForPackets([.. _written]);
        }

        public override void Flush()
        {
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            _open.TrySetResult();
            inner.Dispose();
            base.Dispose(disposing);
        }

        // version CR LF, then: uint32 length, byte padding length, byte number, …, padding
        private void LookForPackets(ReadOnlySpan<byte> rest)
        {
            int line = rest.IndexOf((byte)'\n');
            if (line < 0)
                return;
            rest = rest[(line + 1)..];
            while (rest.Length >= 4 && BinaryPrimitives.ReadInt32BigEndian(rest) + 4 is var length && rest.Length >= length)
            {
                var payload = rest[5..(length - rest[4])];
                if (payload[0] == 20)
                    Guessed = KexPacket.Parse<KexInitMessage>(payload).FirstKexPacketFollows;
                if (payload[0] == until)
                    _open.TrySetResult();
                rest = rest[length..];
            }
        }
    }
}
