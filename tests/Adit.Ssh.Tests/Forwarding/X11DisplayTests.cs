using Adit.Ssh.Forwarding;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>What DISPLAY may say.</summary>
public class X11DisplayTests
{
    [Theory]
    [InlineData(":0", "/tmp/.X11-unix/X0", 0, 0)]
    [InlineData(":12.3", "/tmp/.X11-unix/X12", 12, 3)]
    [InlineData("unix:1", "/tmp/.X11-unix/X1", 1, 0)]
    [InlineData("unix:10.400", "/tmp/.X11-unix/X10", 10, 400)]
    [InlineData("/a/there:0", "/a/there:0", 0, 0)] // as launchd makes them
    [InlineData("/a/there:0.2", "/a/there:0", 0, 2)]
    [InlineData("/a/there", "/a/there", 0, 0)]
    public void A_socket_of_this_machine(string text, string path, int number, int screen) =>
        Assert.Equal(new X11Display(null, path, number, screen), Parse(text));

    [Theory]
    [InlineData("localhost:10.0", "localhost", 6010, 0)]
    [InlineData("far.example:1", "far.example", 6001, 0)]
    [InlineData("192.0.2.7:59535.1", "192.0.2.7", 65535, 1)]
    [InlineData("[::1]:10.1", "::1", 6010, 1)]
    [InlineData("2001:db8::7:3", "2001:db8::7", 6003, 0)]
    public void A_port_of_a_host(string text, string host, int port, int screen)
    {
        var display = Parse(text);
        Assert.NotNull(display);
        Assert.Equal((host, null, port, screen), (display.Host, display.SocketPath, display.Port, display.Screen));
    }

    [Theory]
    [InlineData("")]
    [InlineData("host")]
    [InlineData(":")]
    [InlineData(":x")]
    [InlineData(":-1")]
    [InlineData(":+1")]
    [InlineData(": 1")]
    [InlineData(":1.")]
    [InlineData(":1.x")]
    [InlineData(":1.401")]
    [InlineData(":1.2.3")]
    [InlineData(":59536")] // past the last port
    [InlineData(":99999999999999999999")]
    [InlineData("-f:0")] // an option to xauth
    [InlineData("$(id):0")]
    [InlineData("a b:0")]
    [InlineData("host;id:0")]
    [InlineData("höst:0")]
    [InlineData("host::0")] // DECnet
    [InlineData("[host]:0")]
    [InlineData("[127.0.0.1]:0")]
    [InlineData("[::1:0")]
    [InlineData("::1]:0")]
    [InlineData("a/b:0")]
    [InlineData("/a/nobody:0")]
    [InlineData("/a/there:0.x")]
    [InlineData("/a/there:0.1\n")]
    public void All_else_is_none(string text) => Assert.Null(Parse(text));

    [Fact]
    public void A_text_without_end_is_none() => Assert.Null(Parse(new string('a', 2000) + ":0"));

    private static X11Display? Parse(string text) => X11Display.Parse(text, path => path is "/a/there" or "/a/there:0");
}
