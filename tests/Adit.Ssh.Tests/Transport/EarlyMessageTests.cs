using System.Buffers.Binary;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Tests.Connection;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Transport;

/// <summary>INVARIANTS 1: each of the 256 message numbers, sent to a whole transport before login, in both roles. What the lists below do not name ends the
/// connection, and nobody above has heard of it.</summary>
[Collection(Alone.Name)]
public class EarlyMessageTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly PrivateKey HostKey = PrivateKey.Generate("ssh-ed25519");
    private static readonly int[] Unknown = [.. Enumerable.Range(8, 12), .. Enumerable.Range(22, 8)];

    public enum Stage
    {
        BeforeKexInit,
        KeyExchange,
        StrictKeyExchange,
    }

    [Theory]
    [InlineData("Server", Stage.BeforeKexInit)]
    [InlineData("Server", Stage.KeyExchange)]
    [InlineData("Server", Stage.StrictKeyExchange)]
    [InlineData("Client", Stage.BeforeKexInit)]
    [InlineData("Client", Stage.KeyExchange)]
    [InlineData("Client", Stage.StrictKeyExchange)]
    public async Task InTheFirstKeyExchange(string roleName, Stage stage)
    {
        var role = Enum.Parse<SshRole>(roleName);
        bool strict = stage == Stage.StrictKeyExchange;
        int[] harmless = strict ? [] : [2, 3, 4, .. Unknown];
        // Key exchange messages pass the gate and are then found to be no such thing.
        int[] malformed = stage == Stage.BeforeKexInit ? [20] : role == SshRole.Client ? [21, 31, 33] : [21, 30, 32, 34];
        long rented = PacketPool.Shared.Rented;
        await Task.WhenAll(Enumerable.Range(0, 256).Select(number => TryAsync(number))).WaitAsync(Deadline);
        Assert.Equal(rented, PacketPool.Shared.Rented);

        async Task TryAsync(int number)
        {
            var (ours, theirs) = MemoryDuplex.Pair();
            var witness = new Witness();
            var transport = Create(role, theirs);
            transport.Attach(witness);
            var handshake = transport.HandshakeAsync(default);
            await ours.WriteAsync("SSH-2.0-Early\r\n"u8.ToArray());
            if (stage != Stage.BeforeKexInit)
                await ours.WriteAsync(ClearPacket.Of(ClearPacket.KexInit(strict, role == SshRole.Client ? SshRole.Server : SshRole.Client)));
            await ours.WriteAsync((byte[])[.. ClearPacket.Of(Message(number)), .. ClearPacket.Of(Message(1))]);
            bool toldOff = await HearsDisconnectAsync(ours);
            await ours.DisposeAsync();
            var reason = await transport.Completion;
            await Assert.ThrowsAsync<SshException>(() => handshake);

            if (number == 1 || harmless.Contains(number))
            {
                Assert.True(reason.Error == SshError.Disconnected, $"{number}: {reason.Message}"); // the second message was read
                Assert.False(toldOff, $"{number}");
            }
            else
            {
                AssertRefused(reason, number, malformed.Contains(number));
                Assert.True(toldOff, $"{number}: no SSH_MSG_DISCONNECT");
            }
            witness.AssertHeardNothing(number);
        }
    }

    [Theory]
    [InlineData("Server")]
    [InlineData("Client")]
    public async Task BetweenKeyExchangeAndLogin(string roleName)
    {
        var role = Enum.Parse<SshRole>(roleName);
        bool client = role == SshRole.Client;
        int[] harmless = [2, 3, 4, .. client ? [6, 53] : (int[])[5, 50, 61], .. Unknown];
        long rented = PacketPool.Shared.Rented;
        await Task.WhenAll(Enumerable.Range(0, 256).Select(number => TryAsync(number))).WaitAsync(Deadline);
        Assert.Equal(rented, PacketPool.Shared.Rented);

        async Task TryAsync(int number)
        {
            var (a, b) = MemoryDuplex.Pair();
            var victim = Create(role, a);
            var peer = Create(client ? SshRole.Server : SshRole.Client, b);
            var witness = new Witness();
            victim.Attach(witness);
            await Task.WhenAll(victim.HandshakeAsync(default), peer.HandshakeAsync(default));
            // Not by Send, which would tell the peer's own gate that it asked for something.
            peer.SendControl(Message(number), flush: true);
            peer.SendControl(Message(1), flush: true);
            var reason = await victim.Completion;
            var heard = await peer.Completion;

            if (number == 1 || harmless.Contains(number))
            {
                Assert.True(reason.Error == SshError.Disconnected, $"{number}: {reason.Message}");
            }
            else
            {
                AssertRefused(reason, number, malformed: number == 20);
                Assert.True(heard.Error == SshError.Disconnected, $"{number}: the peer was not told: {heard.Message}");
            }
            witness.AssertHeardNothing(number);
        }
    }

    private static SshTransport Create(SshRole role, Stream stream) => new(new StreamTransport(stream), new TransportOptions
    {
        Role = role,
        Algorithms = Algorithms.DefaultPreferences,
        HostKeys = role == SshRole.Server ? [HostKey] : [],
        VerifyHostKey = role == SshRole.Client ? (_, _) => ValueTask.CompletedTask : null,
    });

    /// <summary>The number and enough zeros for the messages that are looked into.</summary>
    private static byte[] Message(int number)
    {
        byte[] payload = new byte[32];
        payload[0] = (byte)number;
        return payload;
    }

    private static void AssertRefused(SshException reason, int number, bool malformed)
    {
        if (malformed)
        {
            Assert.True(reason.Error is not (SshError.Disconnected or SshError.Unknown or SshError.ConnectionLost), $"{number}: {reason.Message}");
            return;
        }
        Assert.True(reason.Error == SshError.ProtocolError && reason.DisconnectReason == DisconnectReason.ProtocolError, $"{number}: {reason.Message}");
        Assert.Contains($" {number}", reason.Message, StringComparison.Ordinal);
    }

    /// <summary>Reads what a transport sends in clear to its end: whether SSH_MSG_DISCONNECT is in it.</summary>
    private static async Task<bool> HearsDisconnectAsync(Stream stream)
    {
        var heard = new List<byte>();
        byte[] buffer = new byte[4096];
        for (int count; (count = await stream.ReadAsync(buffer)) > 0;)
        {
            heard.AddRange(buffer.AsSpan(0, count));
            byte[] bytes = [.. heard];
            for (int at = Array.IndexOf(bytes, (byte)'\n') + 1; at > 0 && at + 5 < bytes.Length; at += 4 + BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(at)))
            {
                if (bytes[at + 5] == 1)
                    return true;
            }
        }
        return false;
    }

    private sealed class Witness : IConnectionHandler
    {
        private int _messages;

        public void OnMessage(MessageId id, ReadOnlyMemory<byte> payload) => Interlocked.Increment(ref _messages);

        public void OnBatchEnd()
        {
        }

        public bool OnRemark(string text) => false;

        public void OnClosed(SshException reason)
        {
        }

        public void AssertHeardNothing(int number) => Assert.True(_messages == 0, $"{number} reached the connection layer before login");
    }
}
