using System.Buffers.Binary;
using System.Collections.Concurrent;
using Adit.Ssh.Connection;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging.Abstractions;

namespace Adit.Ssh.Tests.Connection;

/// <summary>The master's end of proxy mode, between a passenger and a peer that both go to the limits, or beyond.</summary>
public class ChannelProxyTests
{
    private const uint Number = 7;
    private const int MaxWaiting = 1 << 20;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private delegate void Build(ref SshWriter writer);

    [Theory]
    [InlineData(MessageId.ChannelWindowAdjust)]
    [InlineData(MessageId.ChannelData)]
    public async Task Messages_without_bytes_end_a_passenger_that_does_not_read_and_nobody_else(MessageId id)
    {
        await using var pair = await ConnectionPair.ConnectAsync(server => server.Handle("test", new AcceptAll(_ => new SilentSink())));
        await using var own = await ChannelTests.OpenAsync(pair);
        var (passenger, far) = MemoryDuplex.Pair();
        await using var near = passenger;
        var carrying = new ChannelProxy(pair.Client, far, NullLogger.Instance, MaxWaiting).RunAsync(default);
        byte[] message = await OpenAsync(pair, near, id);
        await SendAsync(pair, message, 20_000); // their bytes alone are far from the limit
        var error = await Assert.ThrowsAsync<SshException>(() => carrying.WaitAsync(Deadline));
        Assert.Equal((SshError.ResourceLimit, $"the passenger does not read: {MaxWaiting} bytes wait for it"), (error.Error, error.Message));
        await using var another = await ChannelTests.OpenAsync(pair);
        Assert.Null(pair.ClientTransport.Reason);
    }

    [Fact]
    public async Task What_a_passenger_has_read_waits_no_more()
    {
        await using var pair = await ConnectionPair.ConnectAsync(server => server.Handle("test", new AcceptAll(_ => new SilentSink())));
        var (passenger, far) = MemoryDuplex.Pair();
        await using (var near = passenger)
        {
            var carrying = new ChannelProxy(pair.Client, far, NullLogger.Instance, MaxWaiting).RunAsync(default);
            byte[] message = await OpenAsync(pair, near, MessageId.ChannelWindowAdjust);
            for (int round = 0; round < 3; round++)
            {
                await SendAsync(pair, message, 10_000);
                for (int i = 0; i < 10_000; i++)
                    Assert.Equal((byte)MessageId.ChannelWindowAdjust, (await ReceiveAsync(near))[0]);
            }
            await near.DisposeAsync();
            await carrying.WaitAsync(Deadline);
        }
        Assert.Null(pair.ClientTransport.Reason);
    }

    [Fact]
    public async Task An_open_with_packets_of_nothing_leaves_no_channel()
    {
        await using var pair = await ConnectionPair.ConnectAsync();
        var (near, far) = MemoryDuplex.Pair();
        await using var passenger = near;
        var carrying = new ChannelProxy(pair.Client, far, NullLogger.Instance).RunAsync(default);
        await SendAsync(near, (ref SshWriter w) => Open(0).Write(ref w));
        var error = await Assert.ThrowsAsync<SshException>(() => carrying.WaitAsync(Deadline));
        Assert.Equal((SshError.ProtocolError, "channel open with a maximum packet size of 0"), (error.Error, error.Message));
        Assert.Equal(0, pair.Client.ChannelCount);
        Assert.Null(pair.ClientTransport.Reason);
    }

    // A peer that took the passenger's word would send packets that end the connection for everybody.
    [Theory]
    [InlineData(uint.MaxValue, 128u * 1024)]
    [InlineData(1000u, 1000u)]
    public async Task The_peer_is_told_of_no_larger_packets_than_the_connection_takes(uint asked, uint told)
    {
        await using var pair = await ConnectionPair.ConnectAsync(server =>
        {
            server.Handle("test", new RefuseAll());
            server.Requests.Handle(TcpipForwardData.Listen, new GrantAll());
        });
        Assert.Equal(128 * 1024, pair.Client.MaximumPacket);
        var tap = new Tap(pair.Server);
        pair.ServerTransport.Attach(tap);
        var (passenger, far) = MemoryDuplex.Pair();
        await using var near = passenger;
        var carrying = new ChannelProxy(pair.Client, far, NullLogger.Instance).RunAsync(default);
        await SendAsync(near, (ref SshWriter w) => Open(asked).Write(ref w));
        Assert.Equal((byte)MessageId.ChannelOpenFailure, (await ReceiveAsync(near))[0]);
        Assert.Equal(told, MaximumPacket(tap.Seen.Single()));

        await SendAsync(near, (ref SshWriter w) =>
            new GlobalRequestMessage { Name = TcpipForwardData.Listen, WantReply = true, Data = new TcpipForwardData("localhost", 4711).ToArray() }.Write(ref w));
        Assert.Equal((byte)MessageId.RequestSuccess, (await ReceiveAsync(near))[0]);
        var data = new SshWriter(64);
        new TcpipChannelData("localhost", 4711, "192.0.2.1", 1).Write(ref data);
        await using var stream = new ChannelStream();
        var opening = pair.Server.OpenAsync("forwarded-tcpip", data.ToArray(), stream, default);
        byte[] offer = await ReceiveAsync(near);
        Assert.Equal((byte)MessageId.ChannelOpen, offer[0]);
        uint sender = SenderChannel(offer);
        await SendAsync(near, (ref SshWriter w) => new ChannelOpenConfirmationMessage(sender, Number, 1000, asked).Write(ref w));
        await opening.WaitAsync(Deadline);
        Assert.Equal(told, MaximumPacket(tap.Seen.Last()));
        await near.DisposeAsync();
        await carrying.WaitAsync(Deadline);
    }

    /// <summary>The passenger opens a channel. Returns a message on it that the peer may send as often as it likes.</summary>
    private static async Task<byte[]> OpenAsync(ConnectionPair pair, Stream near, MessageId id)
    {
        await SendAsync(near, (ref SshWriter w) => Open(1000).Write(ref w));
        Assert.Equal((byte)MessageId.ChannelOpenConfirmation, (await ReceiveAsync(near))[0]);
        byte[] message = new byte[9]; // a window that grows by 0, or 0 bytes
        message[0] = (byte)id;
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(1), pair.Server.OpenChannels.Max(channel => channel.RemoteId));
        return message;
    }

    private static ChannelOpenMessage Open(uint maximumPacket) => new() { ChannelType = "test", SenderChannel = Number, InitialWindow = 1000, MaximumPacket = maximumPacket };

    private static async Task SendAsync(ConnectionPair pair, byte[] message, int times)
    {
        for (int i = 1; i <= times && pair.ServerTransport.Reason is null; i++)
        {
            pair.ServerTransport.Send(message);
            if (i % 1000 == 0)
                await pair.ServerTransport.WhenSentAsync().WaitAsync(Deadline);
        }
    }

    private static async Task SendAsync(Stream near, Build build)
    {
        byte[] payload = Payload(build);
        byte[] packet = new byte[5 + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(packet, payload.Length + 1);
        payload.CopyTo(packet, 5);
        await near.WriteAsync(packet).AsTask().WaitAsync(Deadline);
    }

    private static byte[] Payload(Build build)
    {
        var writer = new SshWriter(128);
        build(ref writer);
        return writer.ToArray();
    }

    private static async Task<byte[]> ReceiveAsync(Stream near)
    {
        byte[] header = new byte[5];
        await near.ReadExactlyAsync(header).AsTask().WaitAsync(Deadline);
        byte[] payload = new byte[BinaryPrimitives.ReadInt32BigEndian(header) - 1];
        await near.ReadExactlyAsync(payload).AsTask().WaitAsync(Deadline);
        return payload;
    }

    private static uint SenderChannel(byte[] open)
    {
        var reader = new SshReader(open.AsSpan(1));
        return ChannelOpenMessage.Read(ref reader).SenderChannel;
    }

    private static uint MaximumPacket(byte[] payload)
    {
        var reader = new SshReader(payload.AsSpan(1));
        return payload[0] == (byte)MessageId.ChannelOpen ? ChannelOpenMessage.Read(ref reader).MaximumPacket : ChannelOpenConfirmationMessage.Read(ref reader).MaximumPacket;
    }

    /// <summary>Keeps the opens and confirmations that a connection gets.</summary>
    private sealed class Tap(IConnectionHandler inner) : IConnectionHandler
    {
        public ConcurrentQueue<byte[]> Seen { get; } = new();

        public void OnMessage(MessageId id, ReadOnlyMemory<byte> payload)
        {
            if (id is MessageId.ChannelOpen or MessageId.ChannelOpenConfirmation)
                Seen.Enqueue(payload.ToArray());
            inner.OnMessage(id, payload);
        }

        public bool OnRemark(string text) => inner.OnRemark(text);

        public void OnBatchEnd() => inner.OnBatchEnd();

        public void OnClosed(SshException reason) => inner.OnClosed(reason);
    }

    private sealed class GrantAll : IGlobalRequestHandler
    {
        public ValueTask<byte[]?> HandleAsync(string name, ReadOnlyMemory<byte> data, bool wantReply, CancellationToken cancellationToken) => new([]);
    }
}
