using System.Globalization;
using System.Text;

namespace Adit.Interop.Tests.Configuration;

/// <summary>Random configurations, the same ones every time, read by OpenSSH and by ours: what nobody thought of writing into the corpus.</summary>
public sealed class RandomTests
{
    private const int Configurations = 60;

    private static readonly string[] Hosts = ["host", "other", "db.example.com", "10.1.2.3", "HOST"];

    private static readonly string[] Patterns =
        ["host", "other", "*", "h*", "?ost", "*.example.com", "!host", "!*.com", "10.*", "HOST", "\"host\"", "'other'", "h*,o*", "", "nobody"];

    private static readonly string[] Criteria =
    [
        "all", "host h*", "host=other", "!host db*", "originalhost host,other", "!originalhost *.com", "user root", "user alice", "localuser root", "localuser !root,*",
        "exec \"true\"", "!exec \"false\"", "exec \"test %n = host\"", "exec \"test %h-%p = other-22\"", "final", "canonical", "!canonical", "host \"host\"", "all host x", "bogus y", "host",
    ];

    /// <summary>Keywords with values that they may have, the first one right, others wrong. Those whose defaults differ on purpose are in the corpus.</summary>
    private static readonly (string Keyword, string[] Values)[] Keywords =
    [
        ("Port", ["22", "2222", "0", "ssh", "x", "65536"]),
        ("User", ["alice", "\"bob\"", "'c d'", "a#b", "e\\ f", "\"\""]),
        ("HostName", ["other", "%h.example.com", "%n", "10.0.0.1", "UPPER.case", "%%"]),
        ("HostKeyAlias", ["Alias", "a b"]),
        ("AddressFamily", ["inet", "INET6", "any", "ipx"]),
        ("BatchMode", ["yes", "No", "true", "maybe"]),
        ("Compression", ["yes", "no", "true"]),
        ("ConnectTimeout", ["10", "1m30s", "none", "-1", "1x", "0"]),
        ("ConnectionAttempts", ["3", "0", "x"]),
        ("ServerAliveCountMax", ["5", "-5"]),
        ("TCPKeepAlive", ["yes", "no"]),
        ("KeepAlive", ["no"]),
        ("IdentityFile", ["~/.ssh/a", "b", "%d/c", "none", "\"d e\"", "${HOME}/f"]),
        ("CertificateFile", ["~/cert", "none", "cert2"]),
        ("IdentitiesOnly", ["yes", "no"]),
        ("IdentityAgent", ["none", "SSH_AUTH_SOCK", "~/agent", "$NAME", "$1", "${HOME}/s"]),
        ("UserKnownHostsFile", ["/a /b", "none", "~/%h", "/a none"]),
        ("GlobalKnownHostsFile", ["/g", "none", "/x /y"]),
        ("StrictHostKeyChecking", ["yes", "no", "ask", "accept-new", "off", "OFF", "never"]),
        ("UpdateHostKeys", ["yes", "no", "x"]),
        ("HashKnownHosts", ["yes", "no"]),
        ("CheckHostIP", ["yes", "no"]),
        ("LocalForward", ["8080 a:80", "127.0.0.1:81 [::1]:82", "*:83 b:84", "85", "0 a:1", "86:a:87", "\"88\" \"c:89\""]),
        ("RemoteForward", ["9090 a:80", "0 b:1", "/tmp/x c:2", "bad:spec:a:b:c"]),
        ("DynamicForward", ["1080", "*:1081", "[::1]:1082", "0", "x"]),
        ("ClearAllForwardings", ["yes", "no"]),
        ("ExitOnForwardFailure", ["yes", "no"]),
        ("GatewayPorts", ["yes", "no"]),
        ("ProxyCommand", ["nc %h %p", "none", "= x y", "run \"a b\" # c"]),
        ("ProxyJump", ["a,b", "u@c:22", "none", "d,,e", "f # g"]),
        ("SendEnv", ["A B", "LC_*", "-A", "-*", "X=Y"]),
        ("SetEnv", ["A=1 B=2", "C=3", "D", "\"E=f g\""]),
        ("PermitRemoteOpen", ["any", "none", "a:80 b:*", "a:0"]),
        ("RekeyLimit", ["1G 1h", "default none", "15", "16K", "none"]),
        ("ControlMaster", ["auto", "yes", "no", "ask", "autoask", "x"]),
        ("ControlPath", ["~/%C", "none", "/tmp/%r@%h:%p", "%z"]),
        ("ControlPersist", ["yes", "no", "10m", "0", "x"]),
        ("EscapeChar", ["~", "none", "x", "xy"]),
        ("LogLevel", ["INFO", "verbose", "QUIET", "loud"]),
        ("SyslogFacility", ["AUTH", "local7", "x"]),
        ("StreamLocalBindMask", ["0077", "0177", "8"]),
        ("PreferredAuthentications", ["publickey,password", "x"]),
        ("PubkeyAuthentication", ["yes", "unbound", "host-bound", "x"]),
        ("PasswordAuthentication", ["no", "yes"]),
        ("NumberOfPasswordPrompts", ["1", "-1"]),
        ("RequiredRSASize", ["2048", "x"]),
        ("TunnelDevice", ["1:2", "any", "x"]),
        ("CanonicalizeMaxDots", ["0", "3"]),
        ("CanonicalDomains", ["a.b c.d", "none", "-x"]),
        ("ForwardAgent", ["yes", "no"]),
        ("AddKeysToAgent", ["yes", "ask", "confirm 5m", "1h", "x"]),
        ("SessionType", ["none", "subsystem", "default", "x"]),
        ("RemoteCommand", ["run %n # all of it", "none"]),
        ("LocalCommand", ["say %h", "none"]),
        ("IgnoreUnknown", ["Fancy*", "x,y"]),
        ("FancyThing", ["yes"]),
        ("NoSuchThing", ["1 2 3"]),
        ("Cipher", ["x"]),
        ("Protocol", ["2"]),
    ];

    private static readonly string[] Separators = [" ", "\t", " = ", "=", "   "];

    [Fact]
    public Task Random_configurations_mean_the_same() => Comparison.SameAsync(Generate(new Random(20240611)), readBack: true);

    private static IEnumerable<Case> Generate(Random random)
    {
        for (int number = 0; number < Configurations; number++)
        {
            // Half of them have nothing wrong in them, or errors would hide everything else.
            bool mayBeWrong = random.Next(2) == 0;
            var text = new StringBuilder();
            var included = new StringBuilder();
            for (int line = random.Next(4, 24); line > 0; line--)
            {
                text.Append(Line(random, mayBeWrong)).Append('\n');
                if (random.Next(3) == 0)
                    included.Append(Line(random, mayBeWrong)).Append('\n');
            }

            string host = Pick(random, Hosts);
            string[] options = random.Next(3) == 0 ? ["-o", Plain(random, mayBeWrong: false).Trim()] : [];
            yield return new Case(string.Create(CultureInfo.InvariantCulture, $"random {number}"), [.. options, host], text.ToString(), [("inner", included.ToString())]);
        }
    }

    private static string Line(Random random, bool mayBeWrong) => random.Next(12) switch
    {
        0 or 1 => "Host " + string.Join(' ', Enumerable.Range(0, random.Next(1, 3)).Select(_ => Pick(random, mayBeWrong ? Patterns : [.. Patterns.Where(pattern => pattern.Length > 0)]))),
        2 => "Match " + string.Join(' ', Enumerable.Range(0, random.Next(1, 3)).Select(_ => Pick(random, mayBeWrong ? Criteria : Criteria[1..^3]))),
        3 when random.Next(3) == 0 => "Include DIR/inner",
        4 => "# a comment",
        _ => Plain(random, mayBeWrong),
    };

    private static string Plain(Random random, bool mayBeWrong)
    {
        (string keyword, string[] values) = Pick(random, Keywords);
        if (!mayBeWrong && keyword == "NoSuchThing")
            keyword = "Protocol";
        string value = mayBeWrong ? Pick(random, values) : values[0];
        string name = random.Next(4) switch { 0 => keyword.ToLowerInvariant(), 1 => keyword.ToUpperInvariant(), _ => keyword };
        return $"{(random.Next(3) == 0 ? "  " : "")}{name}{Pick(random, Separators)}{value}{(random.Next(12) == 0 ? " " : "")}";
    }

    private static T Pick<T>(Random random, T[] from) => from[random.Next(from.Length)];
}
