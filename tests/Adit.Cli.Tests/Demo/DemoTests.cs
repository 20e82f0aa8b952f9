using System.Net.Sockets;
using System.Text;
using Adit.Cli.CommandLine;
using Adit.Cli.Demo;

namespace Adit.Cli.Tests.Demo;

public class DemoTests
{
    [Fact]
    public void Options_are_read()
    {
        Assert.Equal(new DemoOptions(true, 8081, false), DemoOptions.Parse(["--once", "--port", "8081"]));
        Assert.Equal(new DemoOptions(false, 1, true), DemoOptions.Parse(["--port=1", "-h"]));
    }

    [Theory]
    [InlineData("--port")]
    [InlineData("--port 0")]
    [InlineData("--port=x")]
    [InlineData("once")]
    public void Bad_options_are_named(string line) =>
        Assert.StartsWith("adit demo: ", Assert.Throws<UsageException>(() => DemoOptions.Parse(line.Split(' '))).Message, StringComparison.Ordinal);

    [Fact]
    public void The_picture_is_rectangular_and_can_be_plain()
    {
        (string, string)[] boxes = [("browser", "you"), ("adit client", "127.0.0.1:8080"), ("adit server", "127.0.0.1:40000"), ("web page", "127.0.0.1:40001")];
        var plain = DemoPicture.Draw(boxes, encrypted: 1, unicode: false);
        Assert.All(plain, c => Assert.InRange(c, '\n', '~'));
        Assert.Contains("===>", plain, StringComparison.Ordinal);
        var lines = DemoPicture.Draw(boxes, encrypted: 1, unicode: true).Split('\n');
        Assert.Equal(lines[0].Length, lines[1].Length);
        Assert.Equal(lines[0].Length, lines[3].Length);
        Assert.InRange(lines[0].Length, 60, 100);
    }

    [Theory]
    [InlineData("C", null, null, false)]
    [InlineData(null, null, "de_DE.UTF-8", true)]
    [InlineData("C", null, "de_DE.UTF-8", false)]
    [InlineData(null, "C.utf8", null, true)]
    [InlineData(null, null, null, false)]
    public void The_locale_decides_about_box_drawing(string? all, string? type, string? lang, bool unicode)
    {
        var console = new DemoConsole(_ => { }, terminal: false, name => name switch { "LC_ALL" => all, "LC_CTYPE" => type, "LANG" => lang, _ => null });
        Assert.Equal(unicode, console.Unicode);
    }

    [Fact]
    public void Without_a_terminal_there_is_no_escape_sequence()
    {
        var written = new StringBuilder();
        var console = new DemoConsole(text => written.Append(text), terminal: false, name => name switch { "LANG" => "C.UTF-8", "TERM" => "xterm", _ => null });
        console.Line(console.Bold("x") + console.Tick);
        console.Status("moving");
        console.EndStatus("still");
        Assert.Equal("x✓\nstill\n", written.ToString());
    }

    [Theory]
    [InlineData("GET / HTTP/1.1", "200 OK", true)]
    [InlineData("GET /traffic HTTP/1.1", "200 OK", false)]
    [InlineData("GET /x HTTP/1.1", "404 Not Found", false)]
    [InlineData("nonsense", "404 Not Found", false)]
    public async Task The_page_answers(string request, string status, bool token)
    {
        var traffic = new DemoTraffic();
        await using var page = new DemoPage(traffic);
        page.Start();
        using var client = new TcpClient();
        await client.ConnectAsync(page.Endpoint);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request + "\r\nHost: x\r\n\r\n"));
        var answer = await new StreamReader(stream).ReadToEndAsync();
        Assert.StartsWith($"HTTP/1.1 {status}\r\n", answer, StringComparison.Ordinal);
        Assert.Equal(token, answer.Contains(page.Token, StringComparison.Ordinal));
    }

    [Fact]
    public void Sizes_are_readable()
    {
        Assert.Equal(["999 B", "1.0 kB", "1.5 MB", "2.00 GB"], new long[] { 999, 1000, 1_500_000, 2_000_000_000 }.Select(DemoTraffic.Size));
    }
}
