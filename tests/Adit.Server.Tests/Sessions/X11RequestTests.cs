using System.Text;
using Adit.Server.Sessions;
using Adit.Ssh.Wire;

namespace Adit.Server.Tests.Sessions;

public class X11RequestTests
{
    internal const string Protocol = "MIT-MAGIC-COOKIE-1", Cookie = "00112233445566778899aabbccddeeff";

    // What the client sends becomes lines for xauth and ~/.ssh/rc: OpenSSH's CVE-2016-3115, INVARIANTS 27.
    [Theory]
    [InlineData(Protocol, Cookie, 0, true)]
    [InlineData("XDM-AUTHORIZATION-1", "ABcd", 254, true)]
    [InlineData("a.b:c/d-e_f", "00", 1, true)]
    [InlineData("MIT-MAGIC-COOKIE-1\nsource /etc/shadow", Cookie, 0, false)]
    [InlineData("MIT MAGIC", Cookie, 0, false)]
    [InlineData("MIT\0", Cookie, 0, false)]
    [InlineData("MIT\r", Cookie, 0, false)]
    [InlineData("$(id)", Cookie, 0, false)]
    [InlineData("`id`", Cookie, 0, false)]
    [InlineData("é", Cookie, 0, false)]
    [InlineData("", Cookie, 0, false)]
    [InlineData(Protocol, "", 0, false)]
    [InlineData(Protocol, "00\nsource /etc/shadow", 0, false)]
    [InlineData(Protocol, "00\n", 0, false)]
    [InlineData(Protocol, "00 11", 0, false)]
    [InlineData(Protocol, "\"00\"", 0, false)]
    [InlineData(Protocol, "001", 0, false)]
    [InlineData(Protocol, "0g", 0, false)]
    [InlineData(Protocol, "-:/_", 0, false)]
    [InlineData(Protocol, Cookie, 255, false)]
    [InlineData(Protocol, Cookie, uint.MaxValue, false)]
    public void WhatXauthWouldReadAsMoreThanAWordGoesNoFurther(string protocol, string cookie, uint screen, bool isTaken)
    {
        var request = X11Request.Read(Request(protocol, cookie, screen));
        Assert.Equal(isTaken, request is not null);
        if (request is not null)
        {
            Assert.Equal((false, protocol, cookie, screen), (request.SingleConnection, request.Protocol, request.Cookie, request.Screen));
        }
    }

    [Fact]
    public void ARequestIsWholeAndBounded()
    {
        var whole = Request();
        for (var length = 0; length < whole.Length; length++)
        {
            Assert.Null(X11Request.Read(whole.AsSpan(0, length)));
        }

        Assert.Null(X11Request.Read([.. whole, 0]));
        Assert.NotNull(X11Request.Read(Request(new string('P', 64), new string('0', 1024))));
        Assert.Null(X11Request.Read(Request(new string('P', 65))));
        Assert.Null(X11Request.Read(Request(cookie: new string('0', 1026))));
        Assert.DoesNotContain(Cookie, X11Request.Read(whole)!.ToString(), StringComparison.Ordinal);
    }

    internal static byte[] Request(string protocol = Protocol, string cookie = Cookie, uint screen = 0, bool single = false)
    {
        var writer = new SshWriter(128);
        writer.WriteBoolean(single);
        writer.WriteString(Encoding.UTF8.GetBytes(protocol));
        writer.WriteString(Encoding.UTF8.GetBytes(cookie));
        writer.WriteUInt32(screen);
        return writer.ToArray();
    }
}
