using System.Buffers.Binary;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Transport;

public class PacketReaderTests
{
    // A part of a packet at the buffer's end has to be moved to the front: with a peer that always has more, every byte would be copied once more.
    [Theory]
    [InlineData(128 * 1024 + 9)]
    [InlineData(64 * 1024 + 9)]
    [InlineData(32 * 1024 + 9)]
    [InlineData(20_000)]
    public void AStreamOfLargePacketsIsReceivedUpToWhereOneEnds(int payload)
    {
        using var reader = Reader();
        var peer = new Endless(new Random(1), () => payload);
        int begun = 0;
        for (int receives = 0; receives < 200; receives++)
        {
            peer.SendInto(reader, int.MaxValue);
            if (!reader.IsEmpty)
                begun = receives;
        }
        Assert.InRange(begun, 0, 20); // until the buffer has grown
    }

    [Fact]
    public void WhateverThePacketsAndTheReceivesAreAllArrives()
    {
        var random = new Random(2);
        int[] sizes = [1, 40, 9_000, 16_384, 32_777, 131_081, 200_000, PacketReader.MaxPacketLength - 1];
        int size = 0;
        for (int round = 0; round < 20; round++)
        {
            using var reader = Reader();
            var peer = new Endless(random, () => random.Next(4) == 0 ? size = sizes[random.Next(sizes.Length)] : Math.Max(size, 1));
            for (int receives = 0; receives < 100; receives++)
                peer.SendInto(reader, random.Next(3) switch { 0 => int.MaxValue, 1 => random.Next(1, 300_000), _ => 1 });
            Assert.True(peer.Arrived > 100_000);
        }
    }

    private static PacketReader Reader()
    {
        var reader = new PacketReader(new RekeyPolicy(RekeyLimit.Default, TimeProvider.System), bare: true);
        reader.OnAuthenticated();
        return reader;
    }

    /// <summary>A peer that always has more.</summary>
    private sealed class Endless(Random random, Func<int> nextSize)
    {
        private readonly Queue<byte[]> _expected = new();
        private byte[] _packet = [];
        private int _sent;

        public long Arrived { get; private set; }

        /// <summary>One receive of up to <paramref name="most"/> bytes, and all whole packets.</summary>
        public void SendInto(PacketReader reader, int most)
        {
            var room = reader.GetReceiveSpan();
            Assert.False(room.IsEmpty);
            int count = Math.Min(room.Length, most);
            for (var rest = room[..count]; !rest.IsEmpty;)
            {
                if (_sent == _packet.Length)
                    Next();
                int part = Math.Min(rest.Length, _packet.Length - _sent);
                _packet.AsSpan(_sent, part).CopyTo(rest);
                _sent += part;
                rest = rest[part..];
            }
            reader.Received(count);
            while (reader.TryRead(out var payload))
            {
                byte[] expected = _expected.Dequeue();
                Assert.True(payload.Span.SequenceEqual(expected.AsSpan(5)));
                Arrived += payload.Length;
            }
            if (random.Next(2) == 0)
                reader.ReleaseIfEmpty();
        }

        private void Next()
        {
            int size = nextSize();
            _packet = new byte[4 + 1 + size];
            random.NextBytes(_packet.AsSpan(5));
            BinaryPrimitives.WriteInt32BigEndian(_packet, 1 + size);
            _expected.Enqueue(_packet);
            _sent = 0;
        }
    }
}
