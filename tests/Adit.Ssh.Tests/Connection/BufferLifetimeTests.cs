using System.Buffers;
using System.Runtime.InteropServices;
using Adit.Ssh.Connection;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Connection;

/// <summary>Memory handed to a sink stays the connection's until the batch has ended, however the connection ends.</summary>
public class BufferLifetimeTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    // INVARIANTS 15: what arrived whole is delivered, even when the next packet ends the connection. A buffer given back before that is another connection's.
    [Theory]
    [InlineData(MessageId.UserAuthSuccess)] // breaks the protocol
    [InlineData(MessageId.Disconnect)]
    public async Task DataBeforeAFatalPacketIsDeliveredFromABufferThatIsStillOurs(MessageId fatal)
    {
        var sink = new WatchingSink();
        await using var pair = await ConnectionPair.ConnectAsync(server => server.Handle("test", new AcceptAll(_ => sink)));
        await pair.Client.OpenAsync("test", default, new ChannelStream(), default).WaitAsync(Deadline);

        // Both in one write, so that they arrive in one batch.
        var writer = new SshWriter(64);
        writer.WriteMessageId(MessageId.ChannelData);
        writer.WriteUInt32(0);
        writer.WriteString("the last words"u8);
        pair.ClientTransport.SendControl(writer.Written, flush: false);
        byte[] goodbye = [(byte)fatal, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0];
        pair.ClientTransport.SendControl(goodbye, flush: true);

        await pair.ServerTransport.Completion.WaitAsync(Deadline);
        Assert.Equal("the last words"u8.ToArray(), sink.Delivered);
        Assert.False(sink.SawReturnedBuffer, "the receive buffer was back in the pool while a sink still read from it");
    }

    // INVARIANTS 12: passwords pass through the receive buffer before login; the pool hands it to anybody afterwards.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void WhatArrivedBeforeLoginIsErasedBeforeTheBufferGoesBack(bool atTheEnd)
    {
        var reader = new PacketReader(new RekeyPolicy(RekeyLimit.Default, TimeProvider.System));
        byte[] packet = [0, 0, 0, 20, 4, .. "fifteen secrets"u8, 0, 0, 0, 0];
        packet.CopyTo(reader.GetReceiveSpan());
        reader.Received(packet.Length);
        Assert.True(reader.TryRead(out var payload));
        Assert.Equal("fifteen secrets"u8.ToArray(), payload.ToArray());
        reader.OnAuthenticated(); // login may be decided before the receive loop comes round again
        if (atTheEnd)
            reader.Dispose();
        else
            reader.ReleaseIfEmpty();
        Assert.NotEqual("fifteen secrets"u8.ToArray(), payload.ToArray());
        reader.Dispose();
    }

    private sealed class WatchingSink : IChannelSink
    {
        private readonly List<ReadOnlyMemory<byte>> _ranges = [];

        public byte[] Delivered { get; private set; } = [];

        public bool SawReturnedBuffer { get; private set; }

        public void OnOpened(SshChannel channel)
        {
        }

        public void OnData(ReadOnlyMemory<byte> data) => _ranges.Add(data);

        public void OnBatchEnd()
        {
            foreach (var range in _ranges)
            {
                Assert.True(MemoryMarshal.TryGetArray(range, out var segment));
                byte[] probe = ArrayPool<byte>.Shared.Rent(PacketReader.ReceiveSize);
                SawReturnedBuffer |= probe == segment.Array;
                ArrayPool<byte>.Shared.Return(probe);
                Delivered = [.. Delivered, .. range.Span];
            }
            _ranges.Clear();
        }

        public void OnEof()
        {
        }

        public void OnClosed(SshException? reason)
        {
        }
    }
}
