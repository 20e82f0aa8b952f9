using System.Buffers.Binary;
using System.Text;
using Adit.Ssh.Forwarding;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>The first bytes of an X11 connection (INVARIANTS 27).</summary>
public class X11SetupTests
{
    private const string Protocol = "MIT-MAGIC-COOKIE-1";

    private static readonly byte[] HandedOut = [.. Enumerable.Range(1, 16).Select(i => (byte)i)], Real = [.. Enumerable.Range(101, 16).Select(i => (byte)i)];

    /// <summary>What an X11 client sends first.</summary>
    internal static byte[] Bytes(char order, string name, ReadOnlySpan<byte> cookie, int? nameLength = null, int? cookieLength = null)
    {
        var bytes = new byte[12 + (name.Length + 3) / 4 * 4 + (cookie.Length + 3) / 4 * 4];
        bytes[0] = (byte)order;
        Write(2, 11);
        Write(6, nameLength ?? name.Length);
        Write(8, cookieLength ?? cookie.Length);
        Encoding.ASCII.GetBytes(name).CopyTo(bytes, 12);
        cookie.CopyTo(bytes.AsSpan(12 + (name.Length + 3) / 4 * 4));
        return bytes;

        void Write(int offset, int value)
        {
            if (order == 'B')
                BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(offset), (ushort)value);
            else
                BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(offset), (ushort)value);
        }
    }

    [Theory]
    [InlineData('B', 1)]
    [InlineData('l', 1)]
    [InlineData('B', 7)]
    [InlineData('l', 12)]
    [InlineData('B', 1000)]
    [InlineData('l', 1000)]
    public void The_displays_cookie_takes_the_place_of_the_other_and_what_follows_is_not_taken(char order, int piece)
    {
        var setup = New();
        byte[] sent = [.. Bytes(order, Protocol, HandedOut), 1, 2, 3, 4, 5];
        var progress = X11Progress.Incomplete;
        int position = 0;
        while (progress == X11Progress.Incomplete)
        {
            Assert.True(setup.Setup.IsEmpty);
            progress = setup.Feed(sent.AsSpan(position, Math.Min(piece, sent.Length - position)), out int taken);
            position += taken;
        }
        Assert.Equal(X11Progress.Accepted, progress);
        Assert.Equal(sent.Length - 5, position);
        Assert.Equal(Bytes(order, Protocol, Real), setup.Setup.ToArray());
        Assert.Equal(X11Progress.Accepted, setup.Feed([9], out int more));
        Assert.Equal(0, more);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(15)]
    public void A_wrong_cookie_shows_with_the_last_byte_and_not_before(int wrong)
    {
        byte[] cookie = [.. HandedOut];
        cookie[wrong] ^= 0x80;
        var setup = New();
        byte[] sent = Bytes('l', Protocol, cookie);
        for (int i = 0; i < sent.Length - 1; i++)
            Assert.Equal(X11Progress.Incomplete, setup.Feed(sent.AsSpan(i, 1), out _));
        Assert.Equal(X11Progress.Rejected, setup.Feed(sent.AsSpan(sent.Length - 1), out _));
        Assert.True(setup.Setup.IsEmpty);
        Assert.Equal(X11Progress.Rejected, setup.Feed(Bytes('l', Protocol, HandedOut), out int taken)); // no second try
        Assert.Equal(0, taken);
    }

    [Fact]
    public void The_displays_own_cookie_is_a_wrong_one() => Assert.Equal(X11Progress.Rejected, New().Feed(Bytes('B', Protocol, Real), out _));

    [Theory]
    [InlineData("MIT-MAGIC-COOKIE-2")]
    [InlineData("mit-magic-cookie-1")]
    [InlineData("XDM-AUTHORIZATION-1")]
    [InlineData("")]
    public void Another_protocol_is_refused(string name) => Assert.Equal(X11Progress.Rejected, New().Feed(Bytes('l', name, HandedOut), out _));

    [Theory]
    [InlineData(0)]
    [InlineData(15)]
    [InlineData(17)]
    [InlineData(32)]
    public void A_cookie_of_another_length_is_refused(int length) => Assert.Equal(X11Progress.Rejected, New().Feed(Bytes('B', Protocol, new byte[length]), out _));

    [Theory]
    [InlineData('B', 0xffff, 16)]
    [InlineData('l', 0xffff, 16)]
    [InlineData('B', 18, 0xffff)]
    [InlineData('l', 18, 0xffff)]
    [InlineData('l', 0, 0)]
    public void Lengths_are_judged_before_anything_of_that_length_is_kept(char order, int nameLength, int cookieLength)
    {
        byte[] head = Bytes(order, Protocol, HandedOut, nameLength, cookieLength)[..12];
        Assert.Equal(X11Progress.Rejected, New().Feed(head, out int taken));
        Assert.Equal(12, taken);
    }

    /// <summary>The lengths of the other order would be right.</summary>
    [Theory]
    [InlineData('b')]
    [InlineData('L')]
    [InlineData('\0')]
    [InlineData('G')]
    public void An_order_of_bytes_that_there_is_not_is_refused(char order)
    {
        byte[] sent = Bytes('l', Protocol, HandedOut);
        sent[0] = (byte)order;
        Assert.Equal(X11Progress.Rejected, New().Feed(sent, out _));
    }

    [Fact]
    public void Whatever_comes_it_takes_no_more_than_a_setup_and_does_not_fail()
    {
        var random = new Random(20260611);
        int most = Bytes('l', Protocol, HandedOut).Length;
        for (int round = 0; round < 20_000; round++)
        {
            var setup = New();
            byte[] sent = Bytes(random.Next(2) == 0 ? 'B' : 'l', Protocol, HandedOut);
            for (int changes = random.Next(4); changes > 0; changes--)
                sent[random.Next(sent.Length)] = (byte)random.Next(256);
            bool isCookie = sent.AsSpan(12 + 20).SequenceEqual(HandedOut);
            int total = 0;
            var progress = X11Progress.Incomplete;
            while (total < sent.Length && progress == X11Progress.Incomplete)
            {
                progress = setup.Feed(sent.AsSpan(total, random.Next(1, sent.Length - total + 1)), out int taken);
                Assert.True(taken > 0);
                total += taken;
            }
            Assert.NotEqual(X11Progress.Incomplete, progress);
            Assert.InRange(total, 12, most);
            Assert.True(isCookie || progress == X11Progress.Rejected);
        }
    }

    [Fact]
    public void Cookies_of_two_lengths_make_no_setup() => Assert.Throws<ArgumentException>(() => new X11Setup("X"u8, [1, 2, 3], [1, 2]));

    private static X11Setup New() => new(Encoding.ASCII.GetBytes(Protocol), HandedOut, Real);
}
