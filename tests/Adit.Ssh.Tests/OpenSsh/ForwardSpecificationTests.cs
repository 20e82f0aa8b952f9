using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;

namespace Adit.Ssh.Tests.OpenSsh;

public class ForwardSpecificationTests
{
    [Theory]
    [InlineData("8080:localhost:80", null, 8080, "localhost", 80)]
    [InlineData("127.0.0.1:8080:localhost:80", "127.0.0.1", 8080, "localhost", 80)]
    [InlineData("0.0.0.0:8080:db.internal:5432", "0.0.0.0", 8080, "db.internal", 5432)]
    [InlineData("*:8080:localhost:80", "*", 8080, "localhost", 80)]
    [InlineData(":8080:localhost:80", "", 8080, "localhost", 80)]
    [InlineData("[::1]:8080:[2001:db8::7]:80", "::1", 8080, "2001:db8::7", 80)]
    [InlineData("8080:[::1]:80", null, 8080, "::1", 80)]
    [InlineData("http:localhost:https", null, 80, "localhost", 443)]
    [InlineData("  8080:localhost:80", null, 8080, "localhost", 80)]
    [InlineData("8080:a\\:b:80", null, 8080, "a:b", 80)]
    [InlineData("[::]:1:a:65535", "::", 1, "a", 65535)]
    public void Local_tcp_forwards(string text, string? bind, int port, string host, int hostPort)
    {
        var forward = ForwardSpecification.Parse(text, ForwardKind.Local);
        Assert.Equal(ForwardAddress.Tcp(bind, port), forward.Listen);
        Assert.Equal(ForwardAddress.Tcp(host, hostPort), forward.Destination);
        Assert.Equal(forward, ForwardSpecification.Parse(forward.ToString(), ForwardKind.Local));
    }

    [Theory]
    [InlineData("8080:/run/app.sock", "8080", "/run/app.sock")]
    [InlineData("127.0.0.1:8080:/run/app.sock", "127.0.0.1:8080", "/run/app.sock")]
    [InlineData("/tmp/s:localhost:80", "/tmp/s", "localhost:80")]
    [InlineData("/tmp/s:/run/app.sock", "/tmp/s", "/run/app.sock")]
    [InlineData("/tmp/a\\:b:/run/app.sock", "/tmp/a:b", "/run/app.sock")]
    [InlineData("[/tmp/a:b]:/run/app.sock", "/tmp/a:b", "/run/app.sock")]
    [InlineData("./s:localhost:80", "./s", "localhost:80")]
    public void A_field_with_a_slash_is_a_socket(string text, string listen, string destination)
    {
        var forward = ForwardSpecification.Parse(text, ForwardKind.Local);
        Assert.Equal(listen, forward.Listen.ToString());
        Assert.Equal(destination, forward.Destination.ToString());
    }

    [Theory]
    [InlineData("1080", ForwardKind.Dynamic, null, 1080)]
    [InlineData("127.0.0.1:1080", ForwardKind.Dynamic, "127.0.0.1", 1080)]
    [InlineData("*:1080", ForwardKind.Dynamic, "*", 1080)]
    [InlineData("[::1]:socks", ForwardKind.Dynamic, "::1", 1080)]
    [InlineData("1080", ForwardKind.Remote, null, 1080)]
    [InlineData("0.0.0.0:1080", ForwardKind.Remote, "0.0.0.0", 1080)]
    [InlineData("0", ForwardKind.Remote, null, 0)]
    public void Dynamic_forwards(string text, ForwardKind kind, string? bind, int port)
    {
        var forward = ForwardSpecification.Parse(text, kind);
        Assert.True(forward.IsDynamic);
        Assert.Equal(ForwardAddress.Tcp(bind, port), forward.Listen);
    }

    [Fact]
    public void Only_a_remote_forward_listens_on_port_0()
    {
        Assert.Equal(0, ForwardSpecification.Parse("0:localhost:80", ForwardKind.Remote).Listen.Port);
        Assert.False(ForwardSpecification.TryParse("0:localhost:80", ForwardKind.Local, out _));
        Assert.False(ForwardSpecification.TryParse("0", ForwardKind.Dynamic, out _));
        Assert.False(ForwardSpecification.TryParse("8080:localhost:0", ForwardKind.Remote, out _));
    }

    [Theory]
    [InlineData("")]
    [InlineData("8080")]
    [InlineData("8080:localhost")]
    [InlineData("8080:localhost:80:x:y")]
    [InlineData("a:b:c:d:e")]
    [InlineData("65536:localhost:80")]
    [InlineData("-1:localhost:80")]
    [InlineData("8080:localhost:65536")]
    [InlineData("8080:localhost:nosuchservice")]
    [InlineData("[::1:8080:localhost:80")]
    [InlineData("[::1]8080:localhost:80")]
    [InlineData("::1:8080:localhost:80")]
    [InlineData("8080:localhost:80\\")]
    [InlineData("99999999999999999999:a:1")]
    public void A_bad_local_forward_is_refused_with_ssh_s_words(string text)
    {
        var error = Assert.Throws<SshException>(() => ForwardSpecification.Parse(text, ForwardKind.Local));
        Assert.Equal(SshError.Configuration, error.Error);
        Assert.Equal($"Bad local forwarding specification '{text}'", error.Message);
        Assert.NotNull(error.Hint);
    }

    [Fact]
    public void Lengths_are_limited()
    {
        Assert.True(ForwardSpecification.TryParse($"1:{new string('h', 1024)}:1", ForwardKind.Local, out _));
        Assert.False(ForwardSpecification.TryParse($"1:{new string('h', 1025)}:1", ForwardKind.Local, out _));
        Assert.True(ForwardSpecification.TryParse($"1:/{new string('p', 106)}", ForwardKind.Local, out _));
        Assert.False(ForwardSpecification.TryParse($"1:/{new string('p', 107)}", ForwardKind.Local, out _));
    }

    // INVARIANTS 30
    [Fact]
    public void Any_text_gives_a_forward_or_an_error()
    {
        var random = new Random(7);
        const string alphabet = "0123456789:[]/\\*a.- \0\u00e9";
        int parsed = 0;
        for (int i = 0; i < 20_000; i++)
        {
            string text = new(Enumerable.Range(0, random.Next(14)).Select(_ => alphabet[random.Next(alphabet.Length)]).ToArray());
            foreach (var kind in Enum.GetValues<ForwardKind>())
            {
                if (ForwardSpecification.TryParse(text, kind, out var forward))
                {
                    parsed++;
                    Assert.InRange(forward.Listen.Port, 0, 65535);
                    Assert.Equal(forward, ForwardSpecification.Parse(forward.ToString(), kind));
                }
                else
                {
                    Assert.Throws<SshException>(() => ForwardSpecification.Parse(text, kind));
                }
            }
            if (ForwardAddress.TryParse(text, out var address))
                Assert.InRange(address.Port, 0, 65535);
        }
        Assert.True(parsed > 300);
    }

    [Theory]
    [InlineData("localhost:80", "localhost", 80)]
    [InlineData("[::1]:80", "::1", 80)]
    [InlineData("80", null, 80)]
    [InlineData(":80", "", 80)]
    [InlineData("*:0", "*", 0)]
    public void An_address_parses(string text, string? host, int port) => Assert.Equal(ForwardAddress.Tcp(host, port), ForwardAddress.Parse(text));

    [Fact]
    public void An_address_with_a_slash_is_a_path() => Assert.Equal("/run/x", ForwardAddress.Parse("/run/x").Path);

    [Theory]
    [InlineData("")]
    [InlineData("localhost")]
    [InlineData("::1:80")]
    [InlineData("host:65536")]
    [InlineData("host:+1")]
    [InlineData("[::1]80")]
    public void A_bad_address_is_an_error(string text) => Assert.Throws<SshException>(() => ForwardAddress.Parse(text));
}
