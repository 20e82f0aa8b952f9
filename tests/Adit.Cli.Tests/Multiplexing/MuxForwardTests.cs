using Adit.Cli.Multiplexing;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;

namespace Adit.Cli.Tests.Multiplexing;

/// <summary>Forwards and session requests as they cross a control connection.</summary>
public sealed class MuxForwardTests
{
    [Theory]
    [InlineData("8080:localhost:80", ForwardKind.Local, 1u, "", 8080u, "localhost", 80u)]
    [InlineData(":8080:localhost:80", ForwardKind.Local, 1u, "*", 8080u, "localhost", 80u)]
    [InlineData("*:8080:localhost:80", ForwardKind.Local, 1u, "*", 8080u, "localhost", 80u)]
    [InlineData("/run/x:/run/y", ForwardKind.Local, 1u, "/run/x", 0xfffffffeu, "/run/y", 0xfffffffeu)]
    [InlineData("1080", ForwardKind.Dynamic, 3u, "", 1080u, "socks", 0u)]
    [InlineData("1080", ForwardKind.Remote, 2u, "", 1080u, "socks", 0u)]
    [InlineData("[::1]:0:[::2]:22", ForwardKind.Remote, 2u, "::1", 0u, "::2", 22u)]
    public void A_forward_is_written_as_OpenSSH_writes_it_and_read_again(string text, ForwardKind kind, uint number, string listen, uint listenPort, string host, uint port)
    {
        var forward = MuxForward.Of(ForwardSpecification.Parse(text, kind));
        var writer = new SshWriter(64);
        forward.Write(ref writer);
        var reader = new SshReader(writer.Written);
        Assert.Equal((number, listen, listenPort, host, port), (reader.ReadUInt32(), reader.ReadText(), reader.ReadUInt32(), reader.ReadText(), reader.ReadUInt32()));
        reader = new SshReader(writer.Written);
        Assert.Equal(forward, MuxForward.Read(ref reader));
    }

    [Theory]
    [InlineData(0u, "", 80u, "x", 80u)]
    [InlineData(4u, "", 80u, "x", 80u)]
    [InlineData(1u, "", 0u, "x", 80u)] // only a server chooses a port
    [InlineData(1u, "", 80u, "x", 0u)]
    [InlineData(1u, "", 80u, "", 80u)]
    [InlineData(3u, "/path", 0xfffffffeu, "", 0u)]
    [InlineData(1u, "", 0xfffffffeu, "x", 80u)]
    public void One_that_makes_no_sense_is_none(uint kind, string listen, uint listenPort, string host, uint port)
    {
        var reader = new SshReader(Message(kind, listen, listenPort, host, port));
        Assert.Null(MuxForward.Read(ref reader));
    }

    [Theory]
    [InlineData(65536u, 80u)]
    [InlineData(80u, 65536u)]
    [InlineData(80u, 0xffffffffu)]
    public void A_port_out_of_range_is_malformed(uint listenPort, uint port) => Assert.Throws<SshException>(() =>
    {
        var reader = new SshReader(Message(1, "", listenPort, "x", port));
        return MuxForward.Read(ref reader);
    });

    [Theory]
    [InlineData("8080:localhost:80", ForwardKind.Local, "local forward LOCALHOST:8080 -> localhost:80")]
    [InlineData("1080", ForwardKind.Dynamic, "dynamic forward LOCALHOST:1080 -> *")]
    [InlineData("*:80:/run/y", ForwardKind.Remote, "remote forward *:80 -> /run/y:-2")]
    public void It_is_told_in_OpenSSHs_words(string text, ForwardKind kind, string expected) =>
        Assert.Equal(expected, MuxForward.Of(ForwardSpecification.Parse(text, kind)).Describe(gatewayPorts: false));

    [Fact]
    public void A_session_request_is_read_as_it_was_written()
    {
        var request = new MuxSessionRequest
        {
            WantsTerminal = true,
            WantsAgent = true,
            EscapeCharacter = '~',
            Term = "xterm",
            Command = "echo ü",
            Variables = ["A=1", "B=2=3"],
        };
        var reader = new SshReader(request.ToPacket(77));
        Assert.Equal(((uint)MuxType.NewSession, 77u), (reader.ReadUInt32(), reader.ReadUInt32()));
        var read = MuxSessionRequest.Read(ref reader);
        Assert.Equal(request.Variables, read.Variables);
        Assert.Equal(request with { Variables = [] }, read with { Variables = [] });
    }

    // INVARIANTS 30
    [Fact]
    public void Any_bytes_give_a_value_or_an_error()
    {
        var random = new Random(20260101);
        byte[] forward = Message(1, "localhost", 8080, "example.org", 80), session = new MuxSessionRequest { Term = "xterm", Command = "ls", Variables = ["A=1"] }.ToPacket(1)[8..];
        for (var i = 0; i < 20_000; i++)
        {
            var source = i % 2 == 0 ? forward : session;
            var bytes = (byte[])source.Clone();
            for (var flips = random.Next(1, 6); flips > 0; flips--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            bytes = bytes[..random.Next(bytes.Length + 1)];
            try
            {
                var reader = new SshReader(bytes);
                _ = MuxForward.Read(ref reader);
            }
            catch (SshException e) when (e.Error == SshError.ProtocolError)
            {
            }

            try
            {
                var reader = new SshReader(bytes);
                _ = MuxSessionRequest.Read(ref reader);
            }
            catch (SshException e) when (e.Error == SshError.ProtocolError)
            {
            }
        }
    }

    [Fact]
    public void The_wildcard_and_no_bind_address_are_two_things() =>
        Assert.NotEqual(new MuxForward(MuxForwardKind.Dynamic, ForwardAddress.Tcp(null, 1), null), new MuxForward(MuxForwardKind.Dynamic, ForwardAddress.Tcp("*", 1), null));

    private static byte[] Message(uint kind, string listen, uint listenPort, string host, uint port)
    {
        var writer = new SshWriter(64);
        writer.WriteUInt32(kind);
        writer.WriteString(listen);
        writer.WriteUInt32(listenPort);
        writer.WriteString(host);
        writer.WriteUInt32(port);
        return writer.ToArray();
    }
}
