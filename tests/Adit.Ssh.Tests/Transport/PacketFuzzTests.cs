using System.Buffers.Binary;
using System.Diagnostics;
using System.Security.Cryptography;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Transport;

/// <summary>INVARIANTS 12, 29 and 30 for the packet layer: every cipher, whatever bytes come. Only what was sent gets through; the rest is an error or a wait for more.</summary>
public class PacketFuzzTests
{
    public static TheoryData<string, string> Protections()
    {
        var all = new TheoryData<string, string> { { "clear", "" } };
        foreach (var cipher in Algorithms.Ciphers)
        {
            if (cipher.IsAead)
            {
                all.Add(cipher.Name, "");
                continue;
            }
            foreach (var mac in Algorithms.Macs)
                all.Add(cipher.Name, mac.Name);
        }
        return all;
    }

    [Theory]
    [MemberData(nameof(Protections))]
    public void WhatWasSentArrivesHoweverItIsCut(string cipher, string mac)
    {
        var random = new Random(1);
        for (int round = 0; round < 20; round++)
        {
            var keys = new Keys(cipher, mac, round);
            var sent = Payloads(random, 12);
            using var reader = keys.Reader();
            var got = new List<byte[]>();
            Feed(reader, keys.Seal(sent), random, got);
            Assert.Equal(sent, got);
            Assert.True(reader.IsEmpty);
            Assert.Equal((uint)sent.Count, reader.Sequence);
        }
    }

    [Theory]
    [MemberData(nameof(Protections))]
    public void AFlippedBitLetsNothingElseThrough(string cipher, string mac)
    {
        if (cipher == "clear")
            return; // nothing protects these
        var random = new Random(2);
        for (int round = 0; round < 200; round++)
        {
            var keys = new Keys(cipher, mac, round);
            var sent = Payloads(random, 3);
            byte[] stream = keys.Seal(sent);
            int bit = round < 128 ? round : random.Next(stream.Length * 8); // every bit of the first header, then anywhere
            stream[bit / 8] ^= (byte)(1 << (bit % 8));
            ExpectPrefix(keys, stream, sent, random);
        }
    }

    [Theory]
    [MemberData(nameof(Protections))]
    public void CutRepeatedSwappedAndRandomBytesLetNothingElseThrough(string cipher, string mac)
    {
        var random = new Random(3);
        for (int round = 0; round < 120; round++)
        {
            var keys = new Keys(cipher, mac, round);
            var sent = Payloads(random, 3);
            byte[] stream = keys.Seal(sent);
            int at = random.Next(stream.Length);
            byte[] bad = (round % 5) switch
            {
                0 => stream[..at], // truncated
                1 => [.. stream[..at], .. stream[Math.Min(at + random.Next(1, 40), stream.Length)..]], // a hole
                2 => [.. stream, .. stream], // replayed
                3 => RandomNumberGenerator.GetBytes(random.Next(1, 3000)),
                _ => [.. stream[..at], .. RandomNumberGenerator.GetBytes(random.Next(1, 100)), .. stream[at..]],
            };
            if (cipher == "clear")
            {
                using var reader = keys.Reader();
                Catch(() => Feed(reader, bad, random, []));
                continue;
            }
            ExpectPrefix(keys, bad, sent, random);
        }
    }

    // The bound is checked before anything is reserved for the packet, and is lower before login.
    [Theory]
    [InlineData(uint.MaxValue)]
    [InlineData(0x80000000)]
    [InlineData(PacketReader.MaxPacketLength + 4)]
    [InlineData(PacketReader.MaxPacketLengthBeforeLogin + 4)]
    [InlineData(4)]
    [InlineData(0)]
    public void ALengthOutOfBoundsIsRefusedAtOnce(uint length)
    {
        var keys = new Keys("clear", "", 0);
        using var reader = keys.Reader();
        byte[] header = new byte[8];
        BinaryPrimitives.WriteUInt32BigEndian(header, length);
        var e = Assert.Throws<SshException>(() => Feed(reader, header, new Random(1), []));
        Assert.Equal($"Bad packet length {length}.", e.Message);
        Assert.Equal(DisconnectReason.ProtocolError, e.DisconnectReason);
        Assert.InRange(reader.GetReceiveSpan().Length, 0, 2 * PacketReader.ReceiveSize);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(11)]
    [InlineData(255)]
    public void PaddingThatDoesNotFitIsRefused(byte padding)
    {
        using var reader = new Keys("clear", "", 0).Reader();
        byte[] packet = [0, 0, 0, 12, padding, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        Assert.Equal(SshError.ProtocolError, Assert.Throws<SshException>(() => Feed(reader, packet, new Random(1), [])).Error);
    }

    // INVARIANTS 29: the same payload never leaves as the same bytes, within a key or under the next; with strict key exchange numbers begin at 0 with each key, without it they go on.
    [Theory]
    [MemberData(nameof(Protections))]
    public void NoTwoPacketsLeaveAlikeAcrossKeys(string cipher, string mac)
    {
        if (cipher == "clear")
            return;
        foreach (bool strict in new[] { true, false })
        {
            var policy = new RekeyPolicy(RekeyLimit.Default, TimeProvider.System);
            var pool = new PacketPool();
            using var writer = new PacketWriter(pool, policy);
            using var reader = new PacketReader(new RekeyPolicy(RekeyLimit.Default, TimeProvider.System));
            var seen = new HashSet<string>();
            byte[] payload = new byte[40];
            payload[0] = 2;
            uint total = 0;
            for (int generation = 0; generation < 4; generation++)
            {
                var keys = new Keys(cipher, mac, generation);
                SealOne(writer, pool, reader, [21], new OutboundKeys(keys.Sealer(), "none", strict), seen);
                total++;
                reader.Switch(keys.Opener(), "none", strict);
                for (uint i = 0; i < 50; i++)
                {
                    Assert.Equal(strict ? i : total, writer.Sequence);
                    SealOne(writer, pool, reader, payload, null, seen);
                    total++;
                }
            }
            Assert.Equal(0, pool.Rented);
            Assert.True(seen.Count >= 200, "two packets left alike");
        }
    }

    private static void SealOne(PacketWriter writer, PacketPool pool, PacketReader reader, byte[] payload, OutboundKeys? keys, HashSet<string> seen)
    {
        var packet = pool.Rent(payload.Length);
        packet.PayloadLength = payload.Length;
        payload.CopyTo(packet.Payload);
        packet.SwitchAfter = keys;
        var frame = writer.Seal(ref packet);
        Assert.True(seen.Add(Convert.ToHexString(frame)), "two packets left alike");
        frame.AsSpan().CopyTo(reader.GetReceiveSpan());
        reader.Received(frame.Count);
        Assert.True(reader.TryRead(out var got));
        Assert.Equal(payload, got.ToArray());
        packet.Return();
    }

    private static void ExpectPrefix(Keys keys, byte[] stream, List<byte[]> sent, Random random)
    {
        using var reader = keys.Reader();
        var got = new List<byte[]>();
        long start = Stopwatch.GetTimestamp();
        Catch(() => Feed(reader, stream, random, got));
        Assert.True(got.Count <= sent.Count, "more arrived than was sent");
        Assert.Equal(sent.Take(got.Count), got);
        Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(30));
    }

    private static void Catch(Action action)
    {
        try
        {
            action();
        }
        catch (SshException e)
        {
            Assert.True(e.Error is SshError.ProtocolError or SshError.IntegrityError, e.ToString());
        }
    }

    private static void Feed(PacketReader reader, ReadOnlySpan<byte> stream, Random random, List<byte[]> got)
    {
        while (!stream.IsEmpty)
        {
            var room = reader.GetReceiveSpan();
            int count = Math.Min(Math.Min(room.Length, stream.Length), random.Next(4) == 0 ? 1 : random.Next(1, 400));
            stream[..count].CopyTo(room);
            reader.Received(count);
            stream = stream[count..];
            while (reader.TryRead(out var payload))
                got.Add(payload.ToArray());
            reader.ReleaseIfEmpty();
        }
    }

    private static List<byte[]> Payloads(Random random, int count)
    {
        var all = new List<byte[]>();
        for (int i = 0; i < count; i++)
        {
            byte[] payload = new byte[random.Next(8) == 0 ? random.Next(1, 5000) : random.Next(1, 60)];
            random.NextBytes(payload);
            all.Add(payload);
        }
        return all;
    }

    private sealed class Keys
    {
        private readonly CipherAlgorithm? _cipher;
        private readonly MacAlgorithm? _mac;
        private readonly byte[] _key = [];
        private readonly byte[] _iv = [];
        private readonly byte[] _macKey = [];

        public Keys(string cipher, string mac, int seed)
        {
            if (cipher == "clear")
                return;
            _cipher = Algorithms.FindCipher(cipher)!;
            _mac = Algorithms.FindMac(mac);
            _key = new byte[_cipher.KeySize];
            _iv = new byte[_cipher.IvSize];
            _macKey = new byte[_mac?.KeySize ?? 0];
            var random = new Random(seed);
            random.NextBytes(_key);
            random.NextBytes(_iv);
            random.NextBytes(_macKey);
        }

        public PacketSealer Sealer() => _cipher!.CreateSealer(_key, _iv, _mac, _macKey);

        public PacketOpener Opener() => _cipher!.CreateOpener(_key, _iv, _mac, _macKey);

        public PacketReader Reader()
        {
            var reader = new PacketReader(new RekeyPolicy(RekeyLimit.Default, TimeProvider.System));
            if (_cipher is not null)
                reader.Switch(Opener(), "none", resetSequence: true);
            return reader;
        }

        public byte[] Seal(IEnumerable<byte[]> payloads)
        {
            var pool = new PacketPool();
            using var writer = new PacketWriter(pool, new RekeyPolicy(RekeyLimit.Default, TimeProvider.System));
            using var stream = new MemoryStream();
            if (_cipher is not null)
            {
                var newKeys = pool.Rent(1);
                newKeys.PayloadLength = 1;
                newKeys.SwitchAfter = new OutboundKeys(Sealer(), "none", ResetSequence: true);
                writer.Seal(ref newKeys);
                newKeys.Return();
            }
            foreach (byte[] payload in payloads)
            {
                var packet = pool.Rent(payload.Length);
                packet.PayloadLength = payload.Length;
                payload.CopyTo(packet.Payload);
                stream.Write(writer.Seal(ref packet));
                packet.Return();
            }
            return stream.ToArray();
        }
    }
}
