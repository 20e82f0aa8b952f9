using System.Text;
using Adit.Ssh.Forwarding;

namespace Adit.Ssh.Tests.Forwarding;

public class SocksParserTests
{
    private static readonly byte[] Greeting5 = [5, 1, 0];

    /// <summary>A whole conversation of a client, and what it asks for.</summary>
    public static TheoryData<string, byte[], string> Requests() => new()
    {
        { "4", [4, 1, 0x15, 0x38, 10, 1, 2, 3, (byte)'m', (byte)'e', 0], "10.1.2.3:5432" },
        { "4 without a user", [4, 1, 0, 80, 127, 0, 0, 1, 0], "127.0.0.1:80" },
        { "4, address 0.0.0.0", [4, 1, 0, 80, 0, 0, 0, 0, 0], "0.0.0.0:80" },
        { "4A", [4, 1, 1, 0xbb, 0, 0, 0, 1, 0, .. "db.internal"u8, 0], "db.internal:443" },
        { "4A with a user", [4, 1, 1, 0xbb, 0, 0, 0, 255, .. new byte[1024].Select(_ => (byte)'u'), 0, .. Name(255), 0], $"{Encoding.ASCII.GetString(Name(255))}:443" },
        { "5, IPv4", [.. Greeting5, 5, 1, 0, 1, 192, 168, 0, 7, 0, 22], "192.168.0.7:22" },
        { "5, name", [.. Greeting5, 5, 1, 0, 3, 11, .. "db.internal"u8, 0x15, 0x38], "db.internal:5432" },
        { "5, longest name", [.. Greeting5, 5, 1, 0, 3, 255, .. Name(255), 0xff, 0xff], $"{Encoding.ASCII.GetString(Name(255))}:65535" },
        { "5, IPv6", [.. Greeting5, 5, 1, 0, 4, .. new byte[15], 1, 0, 80], "[::1]:80" },
        { "5, many methods", [5, 255, .. Enumerable.Range(0, 255).Select(i => (byte)(254 - i)), 5, 1, 0, 1, 1, 2, 3, 4, 0, 80], "1.2.3.4:80" },
    };

    [Theory]
    [MemberData(nameof(Requests))]
    public void AClientIsUnderstoodWhateverThePiecesAndLosesNoPayload(string what, byte[] conversation, string destination)
    {
        byte[] payload = [4, 5, 0, 255];
        byte[] all = [.. conversation, .. payload];
        foreach (int size in new[] { 1, 2, 3, 7, all.Length })
        {
            var (progress, responses, parser, consumed) = Run(all, size);
            Assert.Equal(SocksProgress.Requested, progress);
            Assert.Equal(destination, parser.Request!.Destination.ToString());
            Assert.Equal(what[0] == '4' ? 4 : 5, parser.Request.Version);
            Assert.Equal(what[0] == '4' ? [] : new byte[] { 5, 0 }, responses);
            Assert.Equal(conversation.Length, consumed); // what follows is payload
        }
    }

    public static TheoryData<string, byte[], byte[]> Refusals() => new()
    {
        { "5: no method that needs nothing", [5, 2, 1, 2], [5, 0xff] },
        { "5: no method at all", [5, 0], [5, 0xff] },
        { "5: BIND", [.. Greeting5, 5, 2, 0, 1], [5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0] },
        { "5: UDP ASSOCIATE", [.. Greeting5, 5, 3, 0, 1], [5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0] },
        { "5: unknown address type", [.. Greeting5, 5, 1, 0, 2], [5, 0, 5, 8, 0, 1, 0, 0, 0, 0, 0, 0] },
        { "5: empty name", [.. Greeting5, 5, 1, 0, 3, 0], [5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0] },
        { "5: control character", [.. Greeting5, 5, 1, 0, 3, 3, .. "a\nb"u8, 0, 80], [5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0] },
        { "5: NUL", [.. Greeting5, 5, 1, 0, 3, 3, .. "a\0b"u8, 0, 80], [5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0] },
        { "5: no UTF-8", [.. Greeting5, 5, 1, 0, 3, 2, 0xc3, 0x28, 0, 80], [5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0] },
        { "4: BIND", [4, 2, 0, 80, 1, 2, 3, 4], [0, 91, 0, 0, 0, 0, 0, 0] },
        { "4: endless user", [4, 1, 0, 80, 1, 2, 3, 4, .. new byte[1025].Select(_ => (byte)'u')], [0, 91, 0, 0, 0, 0, 0, 0] },
        { "4A: empty name", [4, 1, 0, 80, 0, 0, 0, 1, 0, 0], [0, 91, 0, 0, 0, 0, 0, 0] },
        { "4A: endless name", [4, 1, 0, 80, 0, 0, 0, 1, 0, .. Name(256)], [0, 91, 0, 0, 0, 0, 0, 0] },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public void WhatIsNotDoneIsRefusedInTheClientsVersion(string what, byte[] conversation, byte[] answer)
    {
        foreach (int size in new[] { 1, conversation.Length })
        {
            var (progress, responses, parser, _) = Run(conversation, size);
            Assert.True(progress == SocksProgress.Refused, what);
            Assert.Equal(answer, responses);
            Assert.Null(parser.Request);
        }
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n\r\n")]
    [InlineData("\x16\x03\x01")]
    [InlineData("SSH-2.0-x")]
    [InlineData("\x05\x01\x00\x04\x01\x00\x01")] // greets as 5, then asks as 4
    public void OtherProtocolsGetNoAnswer(string conversation)
    {
        var (progress, _, parser, _) = Run(Encoding.Latin1.GetBytes(conversation), 1);
        Assert.Equal(SocksProgress.NotSocks, progress);
        Assert.Null(parser.Request);
    }

    // INVARIANTS 30 (and 12): whatever the bytes, an end comes within the longest possible request, and pieces make no difference.
    [Fact]
    public void AnyBytesEndInOneWayWhateverThePieces()
    {
        const int LongestRequest = 1 + 7 + 1025 + 256;
        var random = new Random(4711);
        byte[][] seeds = [.. Requests().Select(row => (byte[])row[1]), .. Refusals().Select(row => (byte[])row[1])];
        for (int round = 0; round < 20_000; round++)
        {
            byte[] input = [.. seeds[random.Next(seeds.Length)], .. new byte[random.Next(20)]];
            for (int flips = random.Next(6); flips > 0; flips--)
                input[random.Next(Math.Min(input.Length, 24))] = (byte)random.Next(256);
            if (round % 4 == 0)
                random.NextBytes(input);
            if (random.Next(3) == 0)
                input = input[..random.Next(input.Length)];
            var whole = Run(input, int.MaxValue);
            var pieces = Run(input, 1 + random.Next(5));
            Assert.Equal((whole.Progress, whole.Consumed, whole.Parser.Request), (pieces.Progress, pieces.Consumed, pieces.Parser.Request));
            Assert.Equal(whole.Responses, pieces.Responses);
            Assert.True(whole.Consumed <= LongestRequest);
            if (whole.Parser.Request is { } request)
                Assert.True(request.Destination.Host!.Length is > 0 and <= 255 && !request.Destination.Host.Any(char.IsControl));
        }
    }

    [Theory]
    [InlineData(OpenFailureReason.AdministrativelyProhibited, "open failed", 2)]
    [InlineData(OpenFailureReason.ConnectFailed, "Connection refused", 5)]
    [InlineData(OpenFailureReason.ConnectFailed, "Network is unreachable", 3)]
    [InlineData(OpenFailureReason.ConnectFailed, "No route to host", 4)]
    [InlineData(OpenFailureReason.ConnectFailed, "Connection timed out", 4)]
    [InlineData(OpenFailureReason.ConnectFailed, "Name or service not known", 4)]
    [InlineData(OpenFailureReason.ConnectFailed, "Temporary failure in name resolution", 4)]
    [InlineData(OpenFailureReason.ConnectFailed, "open failed", 1)]
    [InlineData(OpenFailureReason.ResourceShortage, "", 1)]
    [InlineData(OpenFailureReason.UnknownChannelType, "", 1)]
    public void TheReasonOfARefusedChannelIsTold(OpenFailureReason reason, string text, int code)
    {
        var failure = new SshException(SshError.ChannelOpenFailed, $"channel 3: open failed: connect failed: {text}") { OpenFailureReason = reason };
        Assert.Equal(code, (int)SocksRequest.Explain(failure));
    }

    private static byte[] Name(int length) => [.. Enumerable.Range(0, length).Select(i => (byte)('a' + i % 26))];

    /// <summary>Feeds pieces of a size until the parser has decided or the input ends.</summary>
    private static (SocksProgress Progress, byte[] Responses, SocksParser Parser, int Consumed) Run(byte[] input, int size)
    {
        var parser = new SocksParser();
        var responses = new List<byte>();
        int position = 0;
        while (true)
        {
            int end = (int)Math.Min((long)position + size, input.Length);
            var progress = parser.Feed(input.AsSpan(position..end), out int consumed);
            position += consumed;
            if (progress is SocksProgress.Greeted or SocksProgress.Refused)
                responses.AddRange(parser.Response);
            if (progress is not (SocksProgress.Incomplete or SocksProgress.Greeted) || (progress == SocksProgress.Incomplete && position == input.Length))
                return (progress, [.. responses], parser, position);
        }
    }
}
