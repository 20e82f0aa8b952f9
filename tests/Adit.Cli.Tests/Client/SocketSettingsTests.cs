using System.Net;
using System.Net.Sockets;
using Adit.Cli.Client;
using Adit.Cli.Diagnostics;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Tests.Client;

public sealed class SocketSettingsTests
{
    private readonly List<string> _lines = [];

    private static SshConfigValues Config(params string[] lines) => SshConfig.Resolve("host", lines, SshConfigFiles.None);

    private Action<Socket>? Build(params string[] lines) => SocketSettings.Build(Config(lines), new LogOutput(_lines.Add));

    // The second value is for everything that nobody types into.
    [Theory]
    [InlineData(0xb8, "RequestTTY yes")]
    [InlineData(0xb8, "IPQoS ef none")]
    [InlineData(0x20, "IPQoS af21 cs1", "SessionType none")]
    [InlineData(0x48, "IPQoS af21 cs1", "RequestTTY force")]
    [InlineData(0x20, "IPQoS af21 cs1", "RequestTTY no")]
    public void The_service_is_that_of_what_the_connection_is_for(int service, params string[] lines)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        Build(lines)!(socket);
        Span<byte> value = stackalloc byte[4];
        socket.GetRawSocketOption(0, 1, value);
        Assert.Equal(service, BitConverter.ToInt32(value));
        Assert.Empty(_lines);
    }

    [Fact]
    public void Nothing_is_done_to_a_socket_that_nothing_was_said_about() => Assert.Null(Build("SessionType none"));

    [Fact]
    public void A_socket_is_bound_to_an_address_of_the_interface()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        Build("SessionType none", "BindInterface lo")!(socket);
        Assert.Equal(IPAddress.Loopback, ((IPEndPoint)socket.LocalEndPoint!).Address);
    }

    [Fact]
    public void An_interface_that_is_not_there_is_named()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        var error = Assert.Throws<SocketException>(() => Build("SessionType none", "BindInterface nosuchdevice")!(socket));
        Assert.Equal(SocketError.AddressNotAvailable, error.SocketErrorCode);
        Assert.Equal(["getifaddrs: nosuchdevice: no suitable addresses\r\n"], _lines);
    }

    [Fact]
    public void An_address_wins_over_an_interface() => Assert.Null(Build("SessionType none", "BindInterface lo", "BindAddress 127.0.0.1"));
}
