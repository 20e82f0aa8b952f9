using System.Buffers.Binary;
using System.IO.Compression;
using Adit.Ssh.Connection;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Tests.Connection;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Tests.Transport;

/// <summary>What a peer can make us hold, before login and after it.</summary>
public class TransportLimitTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);
    private static readonly PrivateKey HostKey = PrivateKey.Generate("ssh-ed25519");

    // INVARIANTS 5 and 12: nothing leaves during a key exchange, so answers wait; before login few may.
    [Fact]
    public async Task AnswersThatWaitForTheFirstKeyExchangeAreFew()
    {
        var (a, b) = MemoryDuplex.Pair(capacity: 100_000);
        var server = new SshTransport(new StreamTransport(b), new TransportOptions
        {
            Role = SshRole.Server,
            Algorithms = Algorithms.DefaultPreferences,
            HostKeys = [HostKey],
        });
        _ = server.HandshakeAsync(default).ContinueWith(static t => t.Exception, TaskScheduler.Default);
        await a.WriteAsync("SSH-2.0-Hostile\r\n"u8.ToArray());
        await a.WriteAsync(ClearPacket.Of(ClearPacket.KexInit(strict: false)));
        for (int i = 0; i < 1000; i++)
            await a.WriteAsync(ClearPacket.Of([10])); // no such message: each wants an SSH_MSG_UNIMPLEMENTED
        Assert.Equal(SshError.ResourceLimit, (await server.Completion.WaitAsync(Deadline)).Error);
        await a.DisposeAsync();
    }

    // INVARIANTS 12 and 17: pings come back with what they carried (OpenSSH's CVE-2025-26466).
    [Fact]
    public async Task AFloodOfLargePingsWhoseAnswersAreNotReadIsCutOff()
    {
        var (a, b) = MemoryDuplex.Pair(capacity: 4);
        var client = new GatedTransport(a);
        await using var pair = await ConnectionPair.ConnectAsync(client, new StreamTransport(b));
        client.StopReading();
        var writer = new SshWriter(201_000);
        new PingMessage(new byte[200_000]).Write(ref writer);
        byte[] ping = writer.ToArray();
        for (int i = 0; i < 300 && pair.ServerTransport.Reason is null && pair.ClientTransport.Reason is null; i++)
        {
            pair.ClientTransport.Send(ping);
            await pair.ClientTransport.WhenSentAsync().WaitAsync(Deadline);
        }
        Assert.NotNull(pair.ServerTransport.Reason);
        Assert.Equal(SshError.ResourceLimit, (await pair.ServerTransport.Completion.WaitAsync(Deadline)).Error);
    }

    // INVARIANTS 12: no channel type has more than a few hundred bytes to say; what waits for a handler is held until it runs.
    [Fact]
    public async Task AnOpenWithTooMuchDataIsRefused()
    {
        await using var pair = await ConnectionPair.ConnectAsync(server => server.Handle("test", new AcceptAll(_ => new ChannelStream())));
        var refused = await Assert.ThrowsAsync<SshException>(() => pair.Client.OpenAsync("test", new byte[100_000], new ChannelStream(), default).WaitAsync(Deadline));
        Assert.Equal(OpenFailureReason.ResourceShortage, refused.OpenFailureReason);
        await pair.Client.OpenAsync("test", new byte[2000], new ChannelStream(), default).WaitAsync(Deadline);
    }

    [Fact]
    public async Task OpensThatWaitAreBoundedInBytes()
    {
        var stuck = new StuckHandler();
        await using var pair = await ConnectionPair.ConnectAsync(server => server.Handle("test", stuck));
        byte[] data = new byte[4000];
        var opens = new List<Task>();
        for (int i = 0; i < 8000; i++)
        {
            opens.Add(pair.Client.OpenAsync("test", data, new ChannelStream(), default));
            if (i % 500 == 0)
                await pair.ClientTransport.WhenSentAsync().WaitAsync(Deadline);
        }
        var first = await Task.WhenAny(opens).WaitAsync(Deadline);
        Assert.Equal(OpenFailureReason.ResourceShortage, (await Assert.ThrowsAsync<SshException>(() => first)).OpenFailureReason);
        await pair.ClientTransport.DisposeAsync();
        foreach (var open in opens)
            await Assert.ThrowsAsync<SshException>(() => open);
    }

    [Fact]
    public async Task GlobalRequestsThatWaitAreBoundedInBytes()
    {
        var stuck = new StuckHandler();
        await using var pair = await ConnectionPair.ConnectAsync(server => server.Requests.Handle("slow", stuck));
        for (int i = 0; i < 100 && pair.ServerTransport.Reason is null && pair.ClientTransport.Reason is null; i++)
        {
            pair.Client.Requests.Notify("slow", new byte[200_000]);
            await pair.ClientTransport.WhenSentAsync().WaitAsync(Deadline);
        }
        Assert.Equal(SshError.ResourceLimit, (await pair.ServerTransport.Completion.WaitAsync(TimeSpan.FromSeconds(20))).Error);
    }

    // INVARIANTS 12 and 30: a small compressed packet cannot fill the memory, and what is not zlib is an error like any other.
    [Fact]
    public void ACompressionBombIsRefused()
    {
        using var bomb = new MemoryStream();
        using (var zlib = new ZLibStream(bomb, CompressionLevel.SmallestSize, leaveOpen: true))
            zlib.Write(new byte[100_000_000]);
        using var decompressor = new PacketDecompressor();
        var e = Assert.Throws<SshException>(() => decompressor.Decompress(bomb.ToArray()));
        Assert.Equal(SshError.ProtocolError, e.Error);
    }

    [Fact]
    public void RubbishInsteadOfZlibIsACompressionError()
    {
        byte[] wantsDictionary = [0x78, 0xbb, 1, 2, 3, 4, 5, 6, 7, 8];
        using (var decompressor = new PacketDecompressor())
            Assert.Equal(DisconnectReason.CompressionError, Assert.Throws<SshException>(() => decompressor.Decompress(wantsDictionary)).DisconnectReason);

        var random = new Random(30);
        for (int round = 0; round < 2000; round++)
        {
            using var decompressor = new PacketDecompressor();
            using var compressor = new PacketCompressor();
            byte[] payload = new byte[random.Next(1, 300)];
            random.NextBytes(payload);
            try
            {
                for (int i = 0; i < 4; i++)
                {
                    var packet = compressor.Compress(payload, PacketPool.Shared);
                    byte[] bytes = packet.Payload.ToArray();
                    packet.Return();
                    if (round % 4 != 0)
                        bytes[random.Next(bytes.Length)] ^= (byte)random.Next(1, 256);
                    var plain = decompressor.Decompress(bytes);
                    if (round % 4 == 0)
                        Assert.Equal(payload, plain.ToArray());
                }
            }
            catch (SshException e)
            {
                Assert.NotEqual(0, round % 4);
                Assert.Equal(SshError.ProtocolError, e.Error);
            }
        }
    }

    private sealed class StuckHandler : IChannelHandler, IGlobalRequestHandler
    {
        public async ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken) =>
            await Task.Delay(Timeout.Infinite, cancellationToken);

        public async ValueTask<byte[]?> HandleAsync(string name, ReadOnlyMemory<byte> data, bool wantReply, CancellationToken cancellationToken)
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
            return null;
        }
    }
}

/// <summary>Packets before the first NEWKEYS, as a peer without our stack makes them.</summary>
internal static class ClearPacket
{
    public static byte[] Of(ReadOnlySpan<byte> payload)
    {
        int padding = 8 - ((5 + payload.Length) % 8);
        if (padding < 4)
            padding += 8;
        byte[] packet = new byte[5 + payload.Length + padding];
        BinaryPrimitives.WriteUInt32BigEndian(packet, (uint)(packet.Length - 4));
        packet[4] = (byte)padding;
        payload.CopyTo(packet.AsSpan(5));
        return packet;
    }

    /// <summary>SSH_MSG_KEXINIT with our default algorithms.</summary>
    public static byte[] KexInit(bool strict, SshRole role = SshRole.Client)
    {
        var names = Algorithms.DefaultPreferences;
        string mark = role == SshRole.Client ? KexNegotiation.StrictClient : KexNegotiation.StrictServer;
        var writer = new SshWriter(2000);
        new KexInitMessage
        {
            Cookie = new byte[KexInitMessage.CookieLength],
            KeyExchange = strict ? [.. names.KeyExchange, mark] : names.KeyExchange,
            HostKey = ["ssh-ed25519"],
            CiphersClientToServer = names.Ciphers,
            CiphersServerToClient = names.Ciphers,
            MacsClientToServer = names.Macs,
            MacsServerToClient = names.Macs,
            CompressionClientToServer = names.Compression,
            CompressionServerToClient = names.Compression,
        }.Write(ref writer);
        return writer.ToArray();
    }
}
