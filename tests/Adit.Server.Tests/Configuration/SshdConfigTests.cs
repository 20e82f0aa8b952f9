using Adit.Server.Configuration;
using Adit.Server.Tests.Support;
using Adit.Ssh;
using Microsoft.Extensions.Logging;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Tests.Configuration;

public class SshdConfigTests
{
    [Fact]
    public void Defaults_are_the_manuals()
    {
        var config = SshdConfig.Default;
        Assert.Equal([22], config.Get(K.Port));
        Assert.Equal([".ssh/authorized_keys", ".ssh/authorized_keys2"], config.Get(K.AuthorizedKeysFile));
        Assert.Equal(RootLogin.ProhibitPassword, config.Get(K.PermitRootLogin));
        Assert.True(config.Get(K.StrictModes));
        Assert.False(config.Get(K.PermitEmptyPasswords));
        Assert.Equal(new StartupLimit(10, 30, 100), config.Get(K.MaxStartups));
        Assert.True(config.Get(K.PermitOpen).IsAny);
    }

    [Fact]
    public void The_first_value_counts_and_lists_that_add_up_add_up()
    {
        var config = SshdConfig.Parse("""
            # a comment
            passwordauthentication no
            PasswordAuthentication = yes
            AllowUsers alice "bob"   # trailing comment
            AllowUsers carol
            Port 22
            Port 2222
            PermitOpen one:1 two:2
            PermitOpen three:3
            """);
        Assert.False(config.Get(K.PasswordAuthentication));
        Assert.Equal(["alice", "bob", "carol"], config.Get(K.AllowUsers));
        Assert.Equal([22, 2222], config.Get(K.Port));
        Assert.Equal("one:1 two:2", config.Get(K.PermitOpen).ToString());
    }

    [Theory]
    [InlineData("PasswordAuthentication true", "x line 1: unsupported option \"true\".")]
    [InlineData("Port 65536", "x line 1: Badly formatted port number.")]
    [InlineData("\nLoginGraceTime 1y", "x line 2: invalid time value.")]
    [InlineData("Ciphers no-such-cipher", "x line 1: Bad SSH2 cipher spec 'no-such-cipher'.")]
    [InlineData("MaxStartups 10:0:100", "x line 1: Invalid MaxStartups spec.")]
    [InlineData("PermitOpen localhost", "x line 1: PermitOpen bad port number")]
    [InlineData("PermitOpen localhost:0", "x line 1: PermitOpen bad port number")]
    [InlineData("AllowUsers a@10.0.1.0/8", "x line 1: invalid AllowUsers pattern: \"a@10.0.1.0/8\"")]
    [InlineData("Match Address 10.0.1.0/8", "Invalid Match address argument '10.0.1.0/8' at line 1")]
    [InlineData("Match", "x: terminating, 1 bad configuration options")]
    [InlineData("Match Colour blue", "Unsupported Match attribute Colour\nx line 1: Bad Match condition")]
    [InlineData("Match all User x", "'all' cannot be combined with other Match attributes\nx line 1: Bad Match condition")]
    [InlineData("RDomain x", "x line 1: setting RDomain not supported on this platform.")]
    [InlineData("Match User x\n Port 22", "x line 2: Directive 'Port' is not allowed within a Match block")]
    [InlineData("AuthenticationMethods magic", "Unknown authentication method \"magic\" in list\nx line 1: invalid AuthenticationMethods method list.")]
    [InlineData("AuthenticationMethods # none", "x line 1: no AuthenticationMethods specified")]
    [InlineData("AuthenticationMethods any password", "x line 1: \"any\" must appear alone in AuthenticationMethods")]
    [InlineData("LogLevel LOUD", "x line 1: unsupported log level 'LOUD'")]
    [InlineData("MaxAuthTries -1", "x line 1: MaxAuthTries integer value too small.")]
    [InlineData("ListenAddress [::1", "x line 1: bad address:port usage")]
    public void A_bad_value_ends_it_naming_file_and_line(string text, string message)
    {
        var error = Assert.Throws<SshException>(() => SshdConfig.Parse(text, "x"));
        Assert.Equal(SshError.Configuration, error.Error);
        Assert.Equal(message, error.Message);
    }

    [Fact]
    public void Every_bad_line_is_told_before_it_gives_up()
    {
        var log = new CapturingLogger();
        var error = Assert.Throws<SshException>(() => SshdConfig.Parse("Prot 22\nPort\nBanner \"x\nStrictModes yes no\n\"x\nPort 23", "f", log));
        Assert.Equal("f: terminating, 5 bad configuration options", error.Message);
        Assert.Equal(
        [
            "f: line 1: Bad configuration option: Prot",
            "f line 2: no argument after keyword \"Port\"",
            "f line 3: invalid quotes",
            "f line 4: keyword StrictModes extra arguments at end of line",
            "f: line 5: Bad configuration option: \"x",
        ], log.Errors);
    }

    // INVARIANTS 10: what would restrict and cannot is an error, never ignored.
    [Theory]
    [InlineData("RDomain vrf1")]
    [InlineData("Match User a\n RDomain vrf1")]
    public void A_restriction_that_is_not_built_is_refused(string text)
    {
        var error = Assert.Throws<SshException>(() => SshdConfig.Parse(text, "f"));
        Assert.Equal($"f line {text.Count(c => c == '\n') + 1}: setting RDomain not supported on this platform.", error.Message);
    }

    [Theory]
    [InlineData("vrf1", false)]
    [InlineData("*", true)]
    [InlineData("!vrf1,*", true)]
    public void A_block_for_a_routing_domain_is_for_others(string pattern, bool matches)
    {
        var config = SshdConfig.Parse($"Match RDomain {pattern}\n MaxSessions 3", "f");
        Assert.Equal(matches ? 3 : 10, config.For(new MatchContext()).Get(SessionKeywords.MaxSessions));
        Assert.Equal(10, config.For(new MatchContext { RoutingDomain = null }).Get(SessionKeywords.MaxSessions)); // -T -C without rdomain=
    }

    [Fact]
    public void Values_that_restrict_nothing_are_fine()
    {
        var log = new CapturingLogger();
        SshdConfig.Parse("ForceCommand none\nChrootDirectory none\nIPQoS lowdelay\nSubsystem sftp internal-sftp\nGSSAPIAuthentication no\nProtocol 2", "f", log);
        Assert.Empty(log.Errors);
        Assert.DoesNotContain(log.At(LogLevel.Information), line => line.Contains("Protocol", StringComparison.Ordinal)); // half of the world's files have it
    }

    [Theory]
    [InlineData("HostbasedAuthentication yes", "f line 1: HostbasedAuthentication yes has no effect: hosts do not vouch for users here")]
    [InlineData("PermitTunnel yes\nHostbasedAuthentication no\nIgnoreRhosts shosts-only\nDebianBanner no", null)]
    public void What_is_asked_for_and_not_there_is_told(string text, string? warning)
    {
        var log = new CapturingLogger();
        SshdConfig.Parse(text, "f", log);
        Assert.Empty(log.Errors);
        Assert.Equal(warning is not null, log.At(LogLevel.Information).Any(line => line.StartsWith(warning ?? "f line", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("PermitTunnel x", "f line 1: bad PermitTunnel argument x")]
    [InlineData("HostbasedAuthentication x", "f line 1: unsupported option \"x\".")]
    [InlineData("DebianBanner maybe", "f line 1: unsupported option \"maybe\".")]
    [InlineData("FingerprintHash x", "f line 1: Invalid FingerprintHash algorithm \"x\".")]
    [InlineData("IPQoS 256", "f line 1: Bad IPQoS value: 256")]
    [InlineData("IPQoS ef x", "f line 1: Bad IPQoS value: x")]
    [InlineData("LogVerbose none a", "f line 1: keyword LogVerbose \"none\" argument must appear alone.")]
    [InlineData("Match Address 192.0.2.1/33", "Invalid Match address argument '192.0.2.1/33' at line 1")]
    public void What_has_no_effect_must_be_right_all_the_same(string text, string error) =>
        Assert.Equal(error, Assert.Throws<SshException>(() => SshdConfig.Parse(text, "f", new CapturingLogger())).Message);

    [Fact]
    public void Log_verbose_shows_everything()
    {
        var log = new CapturingLogger();
        Assert.Equal(SshdLogLevel.Debug3, LogKeywords.LevelOf(SshdConfig.Parse("LogLevel ERROR\nLogVerbose *", "f", log)));
        Assert.Equal(SshdLogLevel.Error, LogKeywords.LevelOf(SshdConfig.Parse("LogLevel ERROR\nLogVerbose kex.c:*", "f", log)));
        var matched = SshdConfig.Parse("Match User a\n  LogVerbose *:*:*", "f", log).For(new MatchContext { UserName = "a" });
        Assert.Equal(SshdLogLevel.Debug3, LogKeywords.MatchedLevel(matched));
    }

    [Fact]
    public void The_command_line_goes_first()
    {
        var reader = new SshdConfigReader(new CapturingLogger());
        reader.AddPort(2200);
        Assert.True(reader.AddOption("StrictModes=no"));
        Assert.False(reader.AddOption("Nonsense=no"));
        reader.ReadText("Port 22\nStrictModes yes\nListenAddress 127.0.0.1\nListenAddress 127.0.0.2:77", "f");
        var config = reader.Build();
        Assert.Equal([2200], config.Get(K.Port));
        Assert.False(config.Get(K.StrictModes));
        Assert.Equal(["127.0.0.1:2200", "127.0.0.2:77"], ListenEndpoints.Of(config).Select(endpoint => endpoint.ToString()));
    }

    [Fact]
    public void Both_families_are_listened_on_unless_told_otherwise()
    {
        Assert.Equal(["0.0.0.0:5", "[::]:5"], ListenEndpoints.Of(SshdConfig.Parse("Port 5")).Select(endpoint => endpoint.ToString()));
        Assert.Equal(["0.0.0.0:5"], ListenEndpoints.Of(SshdConfig.Parse("Port 5\nAddressFamily inet")).Select(endpoint => endpoint.ToString()));
        Assert.Equal(["[::1]:9"], ListenEndpoints.Of(SshdConfig.Parse("ListenAddress [::1]:9\nListenAddress ::1\nPort 9")).Select(endpoint => endpoint.ToString()));
        Assert.Throws<SshException>(() => ListenEndpoints.Of(SshdConfig.Parse("ListenAddress ::1\nAddressFamily inet")));
    }

    [FactNeeding(Need.StockConfig)]
    public void The_stock_configuration_loads()
    {
        var log = new CapturingLogger();
        var config = SshdConfig.Load("/etc/ssh/sshd_config", log);
        Assert.Empty(log.Errors);
        Assert.NotEmpty(config.Get(K.Port));
    }

    /// <summary>What other distributions put there, algorithms that we lack included.</summary>
    [Fact]
    public void Other_stock_configurations_load()
    {
        var log = new CapturingLogger();
        var config = SshdConfig.Parse("""
            Include /etc/ssh/sshd_config.d/*.nothing
            Ciphers aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,aes128-cbc
            MACs hmac-sha2-256-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256
            GSSAPIKexAlgorithms gss-curve25519-sha256-,gss-nistp256-sha256-
            KexAlgorithms -diffie-hellman-group*
            PubkeyAcceptedAlgorithms ssh-ed25519,sk-ssh-ed25519@openssh.com,rsa-sha2-256
            RequiredRSASize 2048
            SyslogFacility AUTHPRIV
            AuthorizedKeysFile	.ssh/authorized_keys
            ChallengeResponseAuthentication no
            GSSAPIAuthentication yes
            UsePAM yes
            X11Forwarding yes
            UsePrivilegeSeparation sandbox
            AcceptEnv LANG LC_CTYPE XMODIFIERS
            Subsystem	sftp	/usr/libexec/openssh/sftp-server -f AUTH
            """, "f", log);
        Assert.Empty(log.Errors);
        Assert.Equal(["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr"], config.Get(K.Ciphers).Names);
        Assert.DoesNotContain(config.Get(K.KexAlgorithms).Names, name => name.StartsWith("diffie-hellman-group", StringComparison.Ordinal));
        Assert.Equal(["ssh-ed25519", "rsa-sha2-256"], config.Get(K.PubkeyAcceptedAlgorithms).Names);
        Assert.Contains("f line 2: not available here and left out: aes128-cbc", log.Lines);
    }

    [Fact]
    public void A_missing_file_says_so()
    {
        var error = Assert.Throws<SshException>(() => SshdConfig.Load("/nonexistent/sshd_config"));
        Assert.Equal(SshError.FileAccess, error.Error);
        Assert.Equal("/nonexistent/sshd_config: No such file or directory", error.Message);
    }

    // INVARIANTS 30: any text gives a configuration or an error, quickly.
    [Fact]
    public void Any_text_is_an_error_or_a_configuration()
    {
        var random = new Random(20260821);
        string[] pieces = [.. SshdKeywordTable.All.Select(row => row.Name), "Match", "User", "all", "Include", "\"", "\\", "#", "=", " ", "\n", "\n", "\t", "\0", "*", ",", ":", "[", "]",
            "yes", "no", "none", "any", "10.0.0.0/8", "!", "99999999999999999999", "\u2028", "ÿ", "%", "none:"];
        for (var round = 0; round < 3000; round++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(1, 12)).Select(_ => pieces[random.Next(pieces.Length)] + (random.Next(3) == 0 ? " " : "")));
            try
            {
                SshdConfig.Parse(text).For(new MatchContext { UserName = "u", Address = "10.1.1.1" });
            }
            catch (SshException)
            {
                // An error is an answer.
            }
        }
    }
}
