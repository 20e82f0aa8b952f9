using System.Buffers.Binary;
using System.Security.Cryptography;
using Adit.Ssh.Cryptography;

namespace Adit.Ssh.Tests.Cryptography;

public class PacketCipherTests
{
    public static TheoryData<string, string> Pairs()
    {
        var pairs = new TheoryData<string, string>();
        foreach (var cipher in Algorithms.Ciphers)
        {
            if (cipher.IsAead)
                pairs.Add(cipher.Name, "");
            else
                foreach (var mac in Algorithms.Macs)
                    pairs.Add(cipher.Name, mac.Name);
        }
        return pairs;
    }

    [Theory, MemberData(nameof(Pairs))]
    public void Every_payload_size_comes_back(string cipher, string mac)
    {
        using var pair = new CipherPair(cipher, mac);
        uint sequence = uint.MaxValue - 100; // wraps on the way
        for (int size = 0; size <= 300; size++)
            pair.RoundTrip(unchecked(sequence++), size);
        foreach (int size in (int[])[1024, 32768, 32777, 131072, 256 * 1024 - 64])
            pair.RoundTrip(unchecked(sequence++), size);
    }

    [Theory, MemberData(nameof(Pairs))]
    public void A_flipped_bit_anywhere_is_refused_and_nothing_is_released(string cipher, string mac)
    {
        int frameLength;
        using (var probe = new CipherPair(cipher, mac))
            frameLength = probe.Frame(40).Length;
        for (int at = 0; at < frameLength; at++)
        {
            using var pair = new CipherPair(cipher, mac);
            byte[] clear = pair.Frame(40);
            byte[] frame = [.. clear];
            pair.Sealer.Seal(7, frame);
            frame[at] ^= (byte)(1 << (at % 8));
            uint length = pair.Opener.OpenLength(7, frame.AsSpan(0, pair.Opener.HeaderLength));
            if (at < 4)
                Assert.NotEqual(BinaryPrimitives.ReadUInt32BigEndian(clear), length);
            Assert.False(pair.Opener.Open(7, frame), $"byte {at} of {frameLength}");
            // A run of clear text as long as this does not come about by chance.
            Assert.Equal(-1, frame.AsSpan().IndexOf(clear.AsSpan(8, 16)));
        }
    }

    [Theory, MemberData(nameof(Pairs))]
    public void Another_sequence_number_key_or_order_is_refused(string cipher, string mac)
    {
        bool bindsSequence = !cipher.Contains("gcm", StringComparison.Ordinal); // GCM counts by itself
        using (var pair = new CipherPair(cipher, mac))
        {
            byte[] frame = pair.Frame(20);
            pair.Sealer.Seal(1, frame);
            Assert.Equal(!bindsSequence, pair.Open(2, frame));
        }
        using (var pair = new CipherPair(cipher, mac))
        using (var other = new CipherPair(cipher, mac))
        {
            byte[] frame = pair.Frame(20);
            pair.Sealer.Seal(0, frame);
            Assert.False(other.Open(0, frame));
        }
        using (var pair = new CipherPair(cipher, mac))
        {
            byte[] first = pair.Frame(20), second = pair.Frame(20);
            pair.Sealer.Seal(0, first);
            pair.Sealer.Seal(1, second);
            Assert.False(pair.Open(0, second));
        }
    }

    [Theory, MemberData(nameof(Pairs))]
    public void A_frame_too_short_to_be_one_is_refused(string cipher, string mac)
    {
        for (int length = 0; ; length++)
        {
            using var pair = new CipherPair(cipher, mac);
            if (length > 4 + pair.Opener.TagLength)
                break;
            Assert.False(pair.Opener.Open(0, new byte[length]));
        }
    }

    [Theory, MemberData(nameof(Pairs))]
    public void A_flood_of_packets_allocates_nothing(string cipher, string mac)
    {
        using var pair = new CipherPair(cipher, mac);
        byte[] clear = pair.Frame(1000), frame = new byte[clear.Length];
        uint sequence = 0;
        Pass(200);
        // The least of a few: a collection that another test causes may count the rest of this thread's allocation context as used.
        long allocated = long.MaxValue;
        for (int round = 0; round < 5 && allocated != 0; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            bool opened = Pass(1000);
            allocated = Math.Min(allocated, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.True(opened);
        }
        Assert.Equal(0, allocated);

        bool Pass(int count)
        {
            bool good = true;
            for (int i = 0; i < count; i++, sequence++)
            {
                clear.CopyTo(frame, 0);
                pair.Sealer.Seal(sequence, frame);
                pair.Opener.OpenLength(sequence, frame.AsSpan(0, pair.Opener.HeaderLength));
                good &= pair.Opener.Open(sequence, frame);
            }
            return good;
        }
    }

    // INVARIANT 29: no nonce or counter is ever used again.
    [Theory, MemberData(nameof(Pairs))]
    public void Equal_packets_never_look_equal(string cipher, string mac)
    {
        using var pair = new CipherPair(cipher, mac);
        byte[] clear = pair.Frame(24);
        var seen = new HashSet<string>();
        for (uint i = 0; i < 500; i++)
        {
            byte[] frame = [.. clear];
            pair.Sealer.Seal(i, frame);
            int skip = pair.Sealer.LengthIsOutside ? 4 : 0;
            // 16 bytes of the encrypted part: equal for equal text only where the key stream is the same.
            Assert.True(seen.Add(Convert.ToHexString(frame.AsSpan(skip, 16))), $"packet {i}");
        }
    }

    // INVARIANT 29: ChaCha20's nonce is the sequence number, which the caller counts.
    [Fact]
    public void ChaCha20_refuses_a_sequence_number_that_was_used()
    {
        using var pair = new CipherPair("chacha20-poly1305@openssh.com", "");
        pair.Sealer.Seal(5, pair.Frame(10));
        pair.Sealer.Seal(6, pair.Frame(10));
        Assert.Throws<InvalidOperationException>(() => pair.Sealer.Seal(6, pair.Frame(10)));
        Assert.Throws<InvalidOperationException>(() => pair.Sealer.Seal(5, pair.Frame(10)));
        pair.Sealer.Seal(7, pair.Frame(10));
    }

    // The nonce's counting, checked against the BCL's AES-GCM: also across a carry out of the counter's low half and at its end.
    [Theory]
    [InlineData(16, "000102030000000000000000")]
    [InlineData(32, "ffffffff00000000ffffffff")]
    [InlineData(32, "a0a1a2a3ffffffffffffffff")]
    public void AesGcm_counts_its_nonce_as_RFC_5647_says(int keySize, string iv)
    {
        byte[] key = RandomNumberGenerator.GetBytes(keySize), nonce = Convert.FromHexString(iv);
        using var sealer = new AesGcmSealer(key, nonce);
        using var reference = new AesGcm(key, 16);
        ulong counter = BinaryPrimitives.ReadUInt64BigEndian(nonce.AsSpan(4));
        for (uint i = 0; i < 3; i++)
        {
            byte[] frame = new byte[4 + 32 + 16];
            BinaryPrimitives.WriteUInt32BigEndian(frame, 32);
            RandomNumberGenerator.Fill(frame.AsSpan(4, 32));
            byte[] expected = new byte[32], tag = new byte[16];
            BinaryPrimitives.WriteUInt64BigEndian(nonce.AsSpan(4), counter);
            counter = unchecked(counter + 1);
            reference.Encrypt(nonce, frame.AsSpan(4, 32), expected, tag, frame.AsSpan(0, 4));
            sealer.Seal(i, frame);
            Assert.Equal([0, 0, 0, 32, .. expected, .. tag], frame);
        }
    }

    // Our direct use of libcrypto's GCM on the vectors that have the shape of a packet: a 4-byte length and a 12-byte nonce are all SSH knows,
    // so the associated data is what limits the choice; the BCL's class runs the rest.
    [Fact]
    public void AesGcm_agrees_with_Wycheproof()
    {
        int count = 0;
        foreach (var (group, test) in Wycheproof.Load("aes_gcm_test.json"))
        {
            byte[] key = test.Hex("key"), iv = test.Hex("iv"), aad = test.Hex("aad"), message = test.Hex("msg");
            if (iv.Length != 12 || group.GetProperty("tagSize").GetInt32() != 128 || key.Length == 24)
                continue;
            bool valid = test.Text("result") == "valid";
            using var reference = new AesGcm(key, 16);
            byte[] text = new byte[message.Length];
            bool opened = true;
            try
            {
                reference.Decrypt(iv, test.Hex("ct"), test.Hex("tag"), text, aad);
            }
            catch (AuthenticationTagMismatchException)
            {
                opened = false;
            }
            Assert.Equal(valid, opened);
            if (message.Length > 0)
            {
                // The same key, nonce and text with a packet's length in front, against the implementation that the vector just tested.
                byte[] frame = [.. BigEndian(message.Length), .. message, .. new byte[16]];
                byte[] expected = new byte[message.Length], tag = new byte[16];
                reference.Encrypt(iv, message, expected, tag, frame.AsSpan(0, 4));
                using var sealer = new AesGcmSealer(key, iv);
                sealer.Seal(0, frame);
                Assert.Equal([.. BigEndian(message.Length), .. expected, .. tag], frame);
                using var opener = new AesGcmOpener(key, iv);
                Assert.True(opener.Open(0, frame));
                Assert.Equal(message, frame.AsSpan(4, message.Length).ToArray());
            }
            count++;
        }
        Assert.True(count > 90, $"{count} vectors");

        static byte[] BigEndian(int value)
        {
            var bytes = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(bytes, value);
            return bytes;
        }
    }

    [Theory]
    [InlineData("hmac-sha1", false)]
    [InlineData("hmac-sha2-256", false)]
    [InlineData("hmac-sha2-512", true)]
    public void The_mac_is_over_sequence_number_and_packet(string name, bool etm)
    {
        var mac = Algorithms.FindMac(etm ? name + "-etm@openssh.com" : name)!;
        byte[] key = RandomNumberGenerator.GetBytes(16), iv = RandomNumberGenerator.GetBytes(16), macKey = RandomNumberGenerator.GetBytes(mac.KeySize);
        using var sealer = Algorithms.FindCipher("aes128-ctr")!.CreateSealer(key, iv, mac, macKey);
        byte[] frame = [0, 0, 0, 28, .. RandomNumberGenerator.GetBytes(28), .. new byte[mac.TagLength]];
        byte[] packet = frame[..32], encrypted = [.. packet];
        using (var ctr = new AesCtr(key, iv))
            ctr.Process(etm ? encrypted.AsSpan(4) : encrypted);
        byte[] input = [1, 2, 3, 4, .. etm ? encrypted : packet];
        byte[] expected = name switch
        {
            "hmac-sha1" => HMACSHA1.HashData(macKey, input),
            "hmac-sha2-256" => HMACSHA256.HashData(macKey, input),
            _ => HMACSHA512.HashData(macKey, input),
        };
        sealer.Seal(0x01020304, frame);
        Assert.Equal([.. encrypted, .. expected], frame);
    }

    [Fact]
    public void Keys_of_the_wrong_size_are_refused()
    {
        foreach (var cipher in Algorithms.Ciphers)
        {
            var mac = Algorithms.Macs[0];
            byte[] key = new byte[cipher.KeySize], iv = new byte[cipher.IvSize], macKey = new byte[mac.KeySize];
            Assert.Throws<ArgumentException>(() => cipher.CreateSealer(key.AsSpan(1), iv, mac, macKey));
            Assert.Throws<ArgumentException>(() => cipher.CreateOpener([.. key, 0], iv, mac, macKey));
            Assert.Throws<ArgumentException>(() => cipher.CreateSealer(key, [.. iv, 0], mac, macKey));
            if (cipher.IsAead)
                continue;
            Assert.Throws<ArgumentException>(() => cipher.CreateSealer(key, iv, mac, macKey.AsSpan(1)));
            Assert.Throws<ArgumentNullException>(() => cipher.CreateSealer(key, iv, null, macKey));
        }
    }

    [Theory, MemberData(nameof(Pairs))]
    public void A_disposed_cipher_refuses_to_work(string cipher, string mac)
    {
        var pair = new CipherPair(cipher, mac);
        byte[] frame = pair.Frame(40);
        pair.Dispose();
        pair.Dispose();
        Assert.Throws<ObjectDisposedException>(() => pair.Sealer.Seal(0, frame));
        Assert.Throws<ObjectDisposedException>(() => pair.Opener.Open(0, frame));
    }

    /// <summary>A sealer and an opener with the same random keys.</summary>
    private sealed class CipherPair : IDisposable
    {
        public CipherPair(string cipherName, string macName)
        {
            var cipher = Algorithms.FindCipher(cipherName)!;
            var mac = Algorithms.FindMac(macName);
            byte[] key = RandomNumberGenerator.GetBytes(cipher.KeySize), iv = RandomNumberGenerator.GetBytes(cipher.IvSize);
            byte[] macKey = RandomNumberGenerator.GetBytes(mac?.KeySize ?? 0);
            Sealer = cipher.CreateSealer(key, iv, mac, macKey);
            Opener = cipher.CreateOpener(key, iv, mac, macKey);
            Assert.Equal(Sealer.TagLength, Opener.TagLength);
            Assert.Equal(Sealer.BlockSize, Opener.BlockSize);
            Assert.Equal(Sealer.LengthIsOutside, Opener.LengthIsOutside);
        }

        public PacketSealer Sealer { get; }

        public PacketOpener Opener { get; }

        /// <summary>A packet in clear, padded as this cipher wants it, with random content.</summary>
        public byte[] Frame(int payloadSize)
        {
            int outside = Sealer.LengthIsOutside ? 4 : 0;
            int block = Sealer.BlockSize;
            int padding = block - (5 - outside + payloadSize) % block;
            padding += padding < 4 ? block : 0;
            var frame = new byte[5 + payloadSize + padding + Sealer.TagLength];
            RandomNumberGenerator.Fill(frame.AsSpan(0, frame.Length - Sealer.TagLength));
            BinaryPrimitives.WriteInt32BigEndian(frame, 1 + payloadSize + padding);
            frame[4] = (byte)padding;
            return frame;
        }

        public bool Open(uint sequence, byte[] frame)
        {
            Opener.OpenLength(sequence, frame.AsSpan(0, Opener.HeaderLength));
            return Opener.Open(sequence, frame);
        }

        public void RoundTrip(uint sequence, int payloadSize)
        {
            byte[] clear = Frame(payloadSize), frame = [.. clear];
            Sealer.Seal(sequence, frame);
            int tag = Sealer.TagLength;
            Assert.False(frame.AsSpan(4, frame.Length - 4 - tag).SequenceEqual(clear.AsSpan(4, frame.Length - 4 - tag)));
            uint length = Opener.OpenLength(sequence, frame.AsSpan(0, Opener.HeaderLength));
            Assert.Equal((uint)(frame.Length - 4 - tag), length);
            Assert.True(Opener.Open(sequence, frame));
            Assert.Equal(clear[4..^tag], frame[4..^tag]);
        }

        public void Dispose()
        {
            Sealer.Dispose();
            Opener.Dispose();
        }
    }
}
