using System.Net;
using System.Text;
using Adit.Ssh.OpenSsh;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Tests.OpenSsh;

public class AuthorizedKeysTests
{
    private static readonly string Key = TestKeys.Ed25519.ToText();

    private static AuthorizedKeyOptions Options(string options)
    {
        var entry = AuthorizedKeys.ParseLine($"{options} {Key} comment", "file", 1, out string? problem);
        Assert.Null(problem);
        Assert.Equal(TestKeys.Ed25519, entry!.Key);
        Assert.Equal("comment", entry.Comment);
        return entry.Options;
    }

    private static string? Problem(string line)
    {
        Assert.Null(AuthorizedKeys.ParseLine(line, "file", 1, out string? problem));
        return problem;
    }

    [Fact]
    public void Lines_comments_and_numbers()
    {
        string text = $"# c\n\n \t\n{Key} a b\r\n\t{TestKeys.Rsa.ToText()}\nrestrict {TestKeys.Ecdsa.ToText()} José\n{Key}";
        var entries = AuthorizedKeys.Parse(Encoding.UTF8.GetBytes(text), "keys").ToList();
        Assert.Equal([4, 5, 6, 7], entries.Select(entry => entry.Line));
        Assert.Equal(["a b", "", "José", ""], entries.Select(entry => entry.Comment));
        Assert.All(entries, entry => Assert.Equal("keys", entry.File));
        Assert.Equal([true, true, false, true], entries.Select(entry => entry.Options.IsEmpty));
    }

    [Fact]
    public void Without_options_everything_is_allowed()
    {
        var options = AuthorizedKeys.ParseLine(Key, "f", 1, out _)!.Options;
        Assert.True(options is { IsEmpty: true, PortForwarding: true, AgentForwarding: true, X11Forwarding: true, Pty: true, UserRc: true, Tunnel: true, Restricted: false, CertAuthority: false });
        Assert.True(options is { Command: null, From: null, PermitOpen: null, PermitListen: null, ExpiryTime: null, Principals: null, TunnelDevice: null });
        Assert.True(options.AllowsSource("UNKNOWN"));
    }

    [Fact]
    public void Flags_apply_from_left_to_right()
    {
        Assert.True(Options("restrict") is { Restricted: true, PortForwarding: false, AgentForwarding: false, X11Forwarding: false, Pty: false, UserRc: false, Tunnel: false });
        Assert.True(Options("restrict,pty,PORT-forwarding") is { Pty: true, PortForwarding: true, AgentForwarding: false });
        Assert.False(Options("pty,restrict").Pty);
        Assert.True(Options("no-pty,no-port-forwarding,no-agent-forwarding,no-X11-forwarding,no-user-rc")
            is { Pty: false, PortForwarding: false, AgentForwarding: false, X11Forwarding: false, UserRc: false, Restricted: false });
        Assert.True(Options("no-pty,pty").Pty);
        Assert.True(Options("no-touch-required,verify-required") is { NoTouchRequired: true, VerifyRequired: true });
    }

    [Fact]
    public void Values_are_quoted()
    {
        Assert.Equal("echo \"a, b\" \\n", Options("command=\"echo \\\"a, b\\\" \\n\"").Command);
        var options = Options("cert-authority,principals=\"alice,bob\",environment=\"A=1\",environment=\"B=x=y\",environment=\"A=2\",tunnel=\"3\"");
        Assert.Equal(["alice", "bob"], options.Principals);
        Assert.Equal([new("A", "1"), new("B", "x=y")], options.Environment);
        Assert.Equal(3, options.TunnelDevice);
        Assert.Equal(-1, Options("tunnel=\"any\"").TunnelDevice);
    }

    [Fact]
    public void Permits_name_hosts_and_ports()
    {
        var options = Options("permitopen=\"db:5432\",permitopen=\"[::1]:80\",permitopen=\"*:*\",permitlisten=\"8080\",permitlisten=\"localhost:http\",permitlisten=\"*\"");
        Assert.Equal([new PermitEntry("db", 5432), new PermitEntry("::1", 80), new PermitEntry("*", null)], options.PermitOpen);
        Assert.Equal([new PermitEntry("*", 8080), new PermitEntry("localhost", 80), new PermitEntry("*", null)], options.PermitListen);
        Assert.False(Options("restrict,permitopen=\"a:1\"").PortForwarding);
    }

    [Fact]
    public void Expiry_is_local_or_utc_and_the_earliest_counts()
    {
        Assert.Equal(new DateTimeOffset(2031, 2, 3, 4, 5, 6, TimeSpan.Zero), Options("expiry-time=\"20310203040506Z\"").ExpiryTime);
        Assert.Equal(new DateTimeOffset(2031, 2, 3, 4, 5, 0, TimeSpan.Zero), Options("expiry-time=\"203102030405UTC\"").ExpiryTime);
        Assert.Equal(new DateTimeOffset(new DateTime(2031, 2, 3, 0, 0, 0, DateTimeKind.Local)), Options("expiry-time=\"20310203\"").ExpiryTime);
        Assert.Equal(2030, Options("expiry-time=\"20310101\",expiry-time=\"20300102\",expiry-time=\"20320101\"").ExpiryTime!.Value.Year);
    }

    // INVARIANTS 9
    [Theory]
    [InlineData("10.0.0.0/8", "10.1.2.3", null, true)]
    [InlineData("10.0.0.0/8", "11.1.2.3", null, false)]
    [InlineData("10.0.0.0/8,!10.1.2.3", "10.1.2.3", null, false)]
    [InlineData("*.example.com", "192.0.2.1", null, false)]
    [InlineData("*.example.com", "192.0.2.1", "A.Example.Com", true)]
    [InlineData("*,!evil.example.com", "192.0.2.1", "evil.example.com", false)]
    [InlineData("192.0.2.*,!bad", "192.0.2.1", "bad", false)]
    [InlineData("!192.0.2.1", "192.0.2.2", null, false)]
    [InlineData("127.0.0.1", "UNKNOWN", null, false)]
    public void From_limits_the_source(string from, string address, string? host, bool allowed) =>
        Assert.Equal(allowed, Options($"from=\"{from}\"").AllowsSource(address, host));

    [Fact]
    public void From_takes_mapped_addresses_as_what_they_are() =>
        Assert.True(Options("from=\"192.0.2.0/24\"").AllowsSource(IPAddress.Parse("::ffff:192.0.2.9")));

    // INVARIANTS 10: the whole line is refused, with the reason.
    [Theory]
    [InlineData("nonsense", "unknown key option")]
    [InlineData("pty,nonsense", "unknown key option")]
    [InlineData("ptyx", "unknown key option")]
    [InlineData("no-restrict", "unknown key option")]
    [InlineData("no-cert-authority", "unknown key option")]
    [InlineData("no-no-pty", "unknown key option")]
    [InlineData("pty=\"yes\"", "unknown key option")]
    [InlineData("command", "unknown key option")]
    [InlineData("command =\"x\"", null)]
    [InlineData("", null)]
    [InlineData(",", "unknown key option")]
    [InlineData("pty,", "unexpected end-of-options")]
    [InlineData("command=x", "missing start quote")]
    [InlineData("command=\"x\"y", "unknown key option")]
    [InlineData("command=\"x\",command=\"x\"", "multiple \"command\" clauses")]
    [InlineData("from=\"a\",from=\"a\"", "multiple \"from\" clauses")]
    [InlineData("from=\"10.0.1.0/8\"", "invalid \"from\" clause")]
    [InlineData("from=\"\"", "invalid \"from\" clause")]
    [InlineData("principals=\"a\"", "principals on non-CA key")]
    [InlineData("expiry-time=\"2031\"", "invalid expiry time")]
    [InlineData("expiry-time=\"20311301\"", "invalid expiry time")]
    [InlineData("expiry-time=\"19700101Z\"", "invalid expiry time")]
    [InlineData("environment=\"A\"", "invalid environment string")]
    [InlineData("environment=\"=x\"", "invalid environment string")]
    [InlineData("environment=\"A B=x\"", "invalid environment string")]
    [InlineData("permitopen=\"host\"", "invalid permission port")]
    [InlineData("permitopen=\"host:\"", "invalid permission port")]
    [InlineData("permitopen=\"host:0\"", "invalid permission port")]
    [InlineData("permitopen=\"host:65536\"", "invalid permission port")]
    [InlineData("permitopen=\"::1:80\"", "invalid permission hostname")]
    [InlineData("permitopen=\":80\"", "invalid permission hostname")]
    [InlineData("permitopen=\"[::1:80\"", "invalid permission hostname")]
    [InlineData("permitlisten=\"0\"", "invalid permission port")]
    [InlineData("tunnel=\"x\"", "invalid tun device")]
    [InlineData("tunnel=\"1\",tunnel=\"1\"", "invalid tun device")]
    [InlineData("command=\"\ufffd\"", "invalid characters in key options")]
    public void A_bad_option_refuses_the_line(string options, string? reason)
    {
        if (options.Length == 0)
            return;
        string? problem = Problem($"{options} {Key}");
        if (reason is not null)
            Assert.Equal($"bad key options: {reason}", problem);
        else
            Assert.NotNull(problem);
    }

    [Theory]
    [InlineData("ssh-ed25519")]
    [InlineData("ssh-ed25519 AAAA")]
    [InlineData("ssh-rsa BLOB")]
    [InlineData("restrict")]
    [InlineData("restrict restrict KEY")]
    [InlineData("ssh-ed25519 KEY")]
    [InlineData("command=\"x KEY")]
    [InlineData("anything at all")]
    public void A_line_without_a_key_is_refused(string line) =>
        Assert.NotNull(Problem(line.Replace("KEY", Key).Replace("BLOB", Key.Split(' ')[1])));

    // INVARIANTS 10: a bad line is reported with its place, and the lines after it count.
    [Fact]
    public void Bad_lines_are_reported_and_skipped()
    {
        var log = new ListLogger();
        var entries = AuthorizedKeys.Parse(Encoding.UTF8.GetBytes($"no-such-option {Key}\nxx\n{Key}\n"), "/home/a/.ssh/authorized_keys", log).ToList();
        Assert.Equal(3, Assert.Single(entries).Line);
        Assert.Equal((LogLevel.Debug, "/home/a/.ssh/authorized_keys:1: bad key options: unknown key option"), log.Lines[0]);
        Assert.StartsWith("/home/a/.ssh/authorized_keys:2: no usable key", log.Lines[1].Text);
    }

    // INVARIANTS 10, 30: damage to a restricted line never yields an entry with more rights than were written.
    [Fact]
    public void Damage_never_widens_a_line()
    {
        var random = new Random(11);
        byte[] good = Encoding.UTF8.GetBytes($"restrict,command=\"run\",from=\"10.0.0.0/8\",permitopen=\"db:5432\" {Key}");
        int parsed = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bad = [.. good];
            for (int edits = random.Next(1, 4); edits > 0; edits--)
                bad[random.Next(bad.Length)] = (byte)random.Next('\n' + 1, 256);
            foreach (var entry in AuthorizedKeys.Parse(bad, "f"))
            {
                parsed++;
                Assert.False(entry.Options.IsEmpty);
            }
        }
        Assert.True(parsed > 100);
    }

    // INVARIANTS 30
    [Theory]
    [InlineData("x\n")]
    [InlineData("ssh-ed25519 AAAA\n")]
    [InlineData("\"")]
    [InlineData("pty,")]
    [InlineData("permitopen=\"a:1\",")]
    [InlineData("environment=\"A=1\",")]
    [InlineData("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGQQfaoxqYpLJnIFPEblF+xIzVDIG42DFSfGUWisW3o\n")]
    public void A_megabyte_of_anything_reads_in_a_second(string pattern)
    {
        byte[] text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(pattern, (1 << 20) / pattern.Length)) + $" {Key}\n");
        Quickly.Run(() => Assert.True(AuthorizedKeys.Parse(text, "f").Count() < 2));
    }
}
