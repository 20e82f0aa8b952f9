using System.Text;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Transport;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Tests.OpenSsh;

public sealed class SshConfigTests : IDisposable
{
    private readonly SshConfigLab _lab = new();

    public void Dispose() => _lab.Dispose();

    [Fact]
    public void Without_anything_the_defaults_hold()
    {
        var values = SshConfig.Resolve("Host", [], SshConfigFiles.None, _lab.Context);
        Assert.Equal(("Host", "host", 22, "me"), (values.OriginalHost, values.Host, values.Port, values.User));
        Assert.Equal(HostKeyPolicy.Ask, values.Get(SshConfigKeywords.StrictHostKeyChecking));
        Assert.Equal(RekeyLimit.Default, values.Get(SshConfigKeywords.RekeyLimit));
        Assert.Equal([_lab.Folder[".ssh/id_rsa"], _lab.Folder[".ssh/id_ecdsa"]], values.IdentityFiles.Take(2));
        Assert.Equal([_lab.Folder[".ssh/known_hosts"], _lab.Folder[".ssh/known_hosts2"]], values.UserKnownHostsFiles);
        Assert.Equal("/run/usual", values.IdentityAgentSocket);
        Assert.Null(values.ControlPath);
        Assert.Null(values.ProxyCommandLine);
        Assert.False(values.IsSet(SshConfigKeywords.Port));
    }

    [Fact]
    public void The_command_line_wins_over_the_user_s_file_and_that_over_the_system_s()
    {
        string user = _lab.Folder.Write("user", "Port 2\nUser u\n"), system = _lab.Folder.Write("system", "Port 3\nUser s\nConnectTimeout 4\n");
        var values = SshConfig.Resolve("host", ["Port=1"], new SshConfigFiles(user, system), _lab.Context);
        Assert.Equal((1, "u", TimeSpan.FromSeconds(4)), (values.Port, values.User, values.Get(SshConfigKeywords.ConnectTimeout)));
        Assert.Equal(1, SshConfig.Resolve("host", ["Port 1"], new SshConfigFiles("/nonexistent", "/nonexistent"), _lab.Context).Port);
    }

    [Fact]
    public void Values_have_types()
    {
        var values = _lab.Resolve("""
            LocalForward 127.0.0.1:5433 db:5432
            LocalForward 8080 /run/%h.sock
            RemoteForward 0 localhost:80
            RemoteForward 1080
            DynamicForward ${VAR}:1081
            ProxyJump a,b@[::1]:2222
            RekeyLimit 1G 1h
            SetEnv A=1 "B=x y"
            PermitRemoteOpen db:5432 [::1]:*
            ControlPersist 10m
            AddKeysToAgent confirm 1h
            ForwardAgent $AGENT
            EscapeChar ^]
            LogLevel DEBUG3
            ChannelTimeout session=1h direct-tcpip=5m
            """);
        Assert.Equal([ForwardAddress.Tcp("127.0.0.1", 5433), ForwardAddress.Tcp(null, 8080)], values.LocalForwards.Select(forward => forward.Listen));
        Assert.Equal("/run/host.sock", values.LocalForwards[1].Destination!.Value.Path);
        Assert.Equal([false, true], values.RemoteForwards.Select(forward => forward.IsDynamic));
        Assert.Equal("value", values.DynamicForwards[0].Listen.Host);
        Assert.Equal([new JumpHost(null, "a", null), new JumpHost("b", "::1", 2222)], values.Get(SshConfigKeywords.ProxyJump));
        Assert.Equal(new RekeyLimit(1 << 30, TimeSpan.FromHours(1)), values.Get(SshConfigKeywords.RekeyLimit));
        Assert.Equal([new("A", "1"), new("B", "x y")], values.Get(SshConfigKeywords.SetEnv));
        var open = values.Get(SshConfigKeywords.PermitRemoteOpen);
        Assert.True(open.Allows("db", 5432) && open.Allows("::1", 9) && !open.Allows("db", 5433) && !open.Allows("DB", 5432));
        Assert.Equal(new ControlPersist(true, TimeSpan.FromMinutes(10)), values.Get(SshConfigKeywords.ControlPersist));
        Assert.Equal(new AddKeysToAgent(AddKeysMode.Confirm, TimeSpan.FromHours(1)), values.Get(SshConfigKeywords.AddKeysToAgent));
        Assert.Equal(new AgentForwarding(true, "$AGENT"), values.Get(SshConfigKeywords.ForwardAgent));
        Assert.Equal(29, values.Get(SshConfigKeywords.EscapeChar));
        Assert.Equal(SshConfigLogLevel.Debug3, values.Get(SshConfigKeywords.LogLevel));
        Assert.Equal(["session=1h", "direct-tcpip=5m"], values.Get(SshConfigKeywords.ChannelTimeout));
    }

    [Fact]
    public void Tokens_variables_and_home_are_expanded()
    {
        var values = _lab.Resolve("""
            HostName %h.example.com
            User u
            Port 2222
            HostKeyAlias ALIAS
            ProxyJump x,jump
            IdentityFile ~/%d-%h-%n-%p-%r-%u-%i-%l-%L-%k-%j-%%-${VAR}
            ControlPath /run/%C
            IdentityAgent $AGENT
            UserKnownHostsFile ~/kh /kh/%k
            RemoteCommand %n ${VAR}
            """);
        Assert.Equal($"{_lab.Folder.Path}/{_lab.Folder.Path}-host.example.com-host-2222-u-me-1000-desk.example.com-desk-alias-jump-%-value", Assert.Single(values.IdentityFiles));
        byte[] hash = System.Security.Cryptography.SHA1.HashData(Encoding.UTF8.GetBytes("desk.example.comhost.example.com2222ujump"));
        Assert.Equal("/run/" + Convert.ToHexStringLower(hash), values.ControlPath);
        Assert.Equal("/run/agent", values.IdentityAgentSocket);
        Assert.Equal([_lab.Folder["kh"], "/kh/alias"], values.UserKnownHostsFiles);
        Assert.Equal("host ${VAR}", values.RemoteCommandLine);
        Assert.Equal("alias", values.HostKeyName);
    }

    [Fact]
    public void A_proxy_command_takes_its_own_tokens_and_goes_to_no_shell_here()
    {
        Assert.Equal("nc \"host\" 22 me host # $(id)", _lab.Resolve("ProxyCommand nc \"%h\" %p %r %n # $(id)").ProxyCommandLine);
        Assert.Equal("vdollar_percent_expand: unknown key %u\npercent_expand: failed", Assert.Throws<SshException>(() => _lab.Resolve("ProxyCommand nc %u").ProxyCommandLine).Message);
    }

    [Fact]
    public void A_user_from_a_file_has_tokens_and_one_from_the_command_line_has_not()
    {
        Assert.Equal("host-value", _lab.Resolve("User %h-${VAR}").User);
        Assert.Equal("%h-${VAR}", _lab.Resolve("User x", "User %h-${VAR}").User);
    }

    [Theory]
    [InlineData("HostName %x")]
    [InlineData("HostName %p")]
    public void A_bad_token_is_named(string config) => Assert.StartsWith("vdollar_percent_expand: unknown key %", _lab.Fails(config).Message);

    [Fact]
    public void Tags_commands_and_session_types_match()
    {
        _lab.Context = _lab.Context with { Command = "run it", SessionTypeName = "exec", Version = "Adit_1" };
        var values = _lab.Resolve("Tag a\nTag b\nMatch tagged a\nPort 1\nMatch command run* sessiontype exec version Adit*\nUser u\nMatch sessiontype shell\nConnectTimeout 9");
        Assert.Equal((1, "u", null), (values.Port, values.User, values.Get(SshConfigKeywords.ConnectTimeout)));
        Assert.Equal(3, _lab.Resolve("Match tagged \"\"\nPort 2\nMatch all\nPort 3", "Tag x").Port);
        Assert.Equal(2, _lab.Resolve("Match tagged \"\"\nPort 2\nMatch all\nPort 3").Port);
    }

    [Theory]
    [InlineData("10.0.0.0/8", 7)]
    [InlineData("192.168.0.0/16,2001:db8::/32", 7)]
    [InlineData("192.168.0.0/16", 22)]
    public void The_local_network_matches(string networks, int port) => Assert.Equal(port, _lab.Resolve($"Match localnetwork {networks}\nPort 7").Port);

    [Fact]
    public void A_bad_network_is_an_error() => Assert.Contains("terminating, 1 bad", _lab.Fails("Match localnetwork nonsense\nPort 7").Message);

    [Fact]
    public void A_command_runs_only_when_everything_before_it_held()
    {
        var commands = new List<string>();
        _lab.Context = _lab.Context with
        {
            Execute = command =>
            {
                commands.Add(command);
                return command.EndsWith("yes", StringComparison.Ordinal);
            },
        };
        var values = _lab.Resolve("HostName real\nMatch exec \"a %h %n yes\"\nPort 1\nMatch user nobody exec no\nMatch exec no exec never\nMatch !exec no\nUser u\n");
        Assert.Equal(["a real host yes", "no", "no"], commands);
        Assert.Equal((1, "u"), (values.Port, values.User));

        commands.Clear();
        _lab.Folder.Write("inner", "Match exec yes\nPort 5\n");
        Assert.Equal(22, _lab.Resolve($"Host other\nInclude {_lab.Folder["inner"]}\n").Port);
        Assert.Empty(commands);
    }

    [Fact]
    public void Without_a_way_to_run_commands_exec_is_an_error() => Assert.Contains("match exec 'x' error", _lab.LogAfter(() => _lab.Fails("Match exec x")));

    [Fact]
    public void Unknown_options_are_counted_and_shown()
    {
        var error = _lab.Fails("Foo 1\nPort x\nUser u\nBar 2\n");
        Assert.Equal((SshError.Configuration, $"{_lab.Folder["config"]}: terminating, 3 bad configuration options"), (error.Error, error.Message));
        Assert.Contains("line 1", error.Hint);
        Assert.Equal(
            [$"{_lab.Folder["config"]}: line 1: Bad configuration option: foo", $"{_lab.Folder["config"]} line 2: Bad port 'x'.", $"{_lab.Folder["config"]}: line 4: Bad configuration option: bar"],
            _lab.Log.Lines.Where(line => line.Level == LogLevel.Error).Select(line => line.Text));
        Assert.Equal("command-line: line 0: Bad configuration option: foo", _lab.Fails("", "Foo 1").Message);
    }

    [Fact]
    public void Ignored_unsupported_and_deprecated_keywords_pass()
    {
        _lab.Resolve("Protocol 2\nGSSAPIAuthentication yes\nRSAAuthentication yes\nUseRoaming no\nIgnoreUnknown X*\nXyz 1\n");
        Assert.Contains(_lab.Log.Lines, line => line.Level == LogLevel.Warning && line.Text.EndsWith("line 3: Unsupported option \"rsaauthentication\"", StringComparison.Ordinal));
        Assert.Contains(_lab.Log.Lines, line => line.Level == LogLevel.Debug && line.Text.EndsWith("line 4: Deprecated option \"useroaming\"", StringComparison.Ordinal));
        Assert.DoesNotContain(_lab.Log.Lines, line => line.Level == LogLevel.Error);
    }

    [Fact]
    public void Short_names_are_completed_and_the_files_read_again()
    {
        string[] known = ["db.example.com.", "www.example.org."];
        _lab.Context = _lab.Context with { ResolveName = name => known.Contains(name) ? name == known[1] ? "real.example.net" : name : null };
        const string config = "CanonicalizeHostname yes\nCanonicalDomains example.com example.org\nCanonicalizePermittedCNAMEs *.example.org:*.example.net\n"
            + "Host *.example.com\nUser com\nHost *.example.net\nUser net\nMatch canonical\nPort 7\n";
        Assert.Equal(("db.example.com", "com", 7), Names(_lab.Resolve("db", config, [])));
        Assert.Equal(("real.example.net", "net", 7), Names(_lab.Resolve("WWW", config, [])));
        Assert.Equal(("nowhere", "me", 7), Names(_lab.Resolve("nowhere", config.Replace("CanonicalizePermittedCNAMEs", "#"), [])));
        Assert.StartsWith("ssh: Could not resolve hostname a.b.c: ", Assert.Throws<SshException>(() => _lab.Resolve("a.b.c", config, [])).Message); // to follow an alias it has to be looked up
        Assert.Equal(("db.example.com", "com", 7), Names(_lab.Resolve("db.example.com.", config, [])));
        Assert.Equal(("db", "me", 7), Names(_lab.Resolve("db", config, ["ProxyJump j"])));
        Assert.Equal(("db.example.com", "com", 7), Names(_lab.Resolve("db", config, ["ProxyJump j", "CanonicalizeHostname always"])));
        Assert.Equal(("10.1.2.3", "me", 7), Names(_lab.Resolve("10.1.2.3", config, [])));
        Assert.Equal("ssh: Could not resolve host \"nowhere\"", Assert.Throws<SshException>(() => _lab.Resolve("nowhere", config, ["CanonicalizeFallbackLocal no"])).Message);

        static (string, string, int) Names(SshConfigValues values) => (values.Host, values.User, values.Port);
    }

    [Fact]
    public void What_is_printed_means_the_same_when_it_is_read()
    {
        const string config = "HostName h.x\nUser u\nLocalForward 1 a:2\nRemoteForward 3\nDynamicForward [::1]:4\nRemoteForward /a /b\nProxyJump a,b:2\nSendEnv A\nSendEnv B -A\nSetEnv X=y\n"
            + "EscapeChar ^A\nRekeyLimit 1K 5\nIPQoS 7 none\nPermitRemoteOpen none\nControlPath /%h\nUserKnownHostsFile none\nAddKeysToAgent 5\nCiphers -*ctr\nConnectTimeout 5\nTag t\n"
            + "ChannelTimeout a=1\nLogLevel QUIET\nCanonicalDomains a b\nIdentityAgent ~/x\nIdentityFile none";
        string first = SshConfigDump.Write(_lab.Resolve(config));
        string second = SshConfigDump.Write(_lab.Resolve("IgnoreUnknown host\n" + first.Replace("host host\n", "")));
        Assert.Equal(first, second.Replace("ignoreunknown host\n", ""));
    }

    [Fact]
    public void Every_row_is_found_by_its_names_and_prints_its_default()
    {
        Assert.Equal(SshConfigKeywords.All.Count, SshConfigKeywords.All.Select(row => row.Name.ToLowerInvariant()).Distinct().Count());
        var values = SshConfig.Resolve("host", [], SshConfigFiles.None, _lab.Context);
        foreach (var row in SshConfigKeywords.All)
        {
            Assert.All(row.Aliases.Append(row.Name), name => Assert.Same(row, SshConfigKeywords.Find(name.ToUpperInvariant())));
            Assert.All(row.Print(values), line => Assert.StartsWith(row.Name.ToLowerInvariant() + " ", line));
        }
        Assert.Null(SshConfigKeywords.Find("nonsense"));
    }

    [Fact]
    public void Known_hosts_options_come_from_the_values()
    {
        var options = KnownHostsOptions.FromConfig(_lab.Resolve("StrictHostKeyChecking accept-new\nUserKnownHostsFile ~/a /b\nGlobalKnownHostsFile none\nHashKnownHosts yes\nHostKeyAlias x\nCASignatureAlgorithms ssh-ed25519"));
        Assert.Equal((HostKeyPolicy.AcceptNew, true, "x"), (options.Policy, options.HashKnownHosts, options.HostKeyAlias));
        Assert.Equal([_lab.Folder["a"], "/b"], options.UserFiles);
        Assert.Empty(options.GlobalFiles!);
        Assert.Equal(["ssh-ed25519"], options.CASignatureAlgorithms);
    }

    // INVARIANTS 28: what a jump host is called never looks like an option or means something to a shell.
    [Theory]
    [InlineData("-oProxyCommand=x")]
    [InlineData("a b")]
    [InlineData("a;b")]
    [InlineData("$(x)")]
    [InlineData("`x`")]
    [InlineData("u'@h")]
    [InlineData("-u@h")]
    [InlineData("h\n")]
    [InlineData("")]
    [InlineData("@h:")]
    [InlineData("[::1")]
    public void A_dangerous_jump_host_is_refused(string text) => Assert.False(JumpHost.TryParse(text, out _));

    // INVARIANTS 28
    [Fact]
    public void Control_characters_in_a_file_are_shown_escaped()
    {
        _lab.Fails("\u001b[2J x\nPort \u001b]0;x\u0007\nMatch \u001b x\nHost x\nLogLevel \u202e\n");
        Assert.All(_lab.Log.Lines, line => Assert.DoesNotContain(line.Text, c => char.IsControl(c) || c == '\u202e'));
    }

    // INVARIANTS 30: any text gives values or an error.
    [Fact]
    public void Any_text_is_read_or_refused()
    {
        var random = new Random(3);
        string[] words =
        [
            .. SshConfigKeywords.All.SelectMany(row => row.Aliases.Append(row.Name)), "Host", "Match", "Include", "all", "host", "!host", "exec", "final", "user", "yes", "no", "none", "any",
            "1", "0", "-1", "65536", "1h", "a:1", "[::1]:2", "/x", "~/x", "%h", "%z", "${VAR}", "\"", "'", "\\", "#", "=", "\"a b\"", "*", "?", ",", "\u0001", "\u00e9", "99999999999999999999",
        ];
        int read = 0;
        for (int i = 0; i < 3000; i++)
        {
            var text = new StringBuilder();
            for (int lines = random.Next(1, 5); lines > 0; lines--)
            {
                for (int count = random.Next(1, 6); count > 0; count--)
                    text.Append(words[random.Next(words.Length)]).Append(random.Next(6) == 0 ? "=" : " ");
                text.Append('\n');
            }
            try
            {
                var values = _lab.Resolve(text.ToString());
                SshConfigDump.Write(values);
                _ = (values.IdentityFiles, values.ControlPath, values.LocalForwards, values.UserKnownHostsFiles);
                read++;
            }
            catch (SshException e)
            {
                Assert.True(e.Error is SshError.Configuration or SshError.FileAccess or SshError.NameResolution);
            }
        }
        Assert.True(read > 20, $"{read}");
        Assert.True(_lab.Log.Lines.Count > 100);
    }

    [Theory]
    [InlineData("x\n")]
    [InlineData("Port x\n")]
    [InlineData("Host *a*a*a*a*a*a*b\n")]
    [InlineData("IdentityFile x\n")]
    [InlineData("SendEnv x\n")]
    [InlineData("LocalForward 1 a:1\n")]
    [InlineData("LocalForward 1 N:1\n")]
    [InlineData("IdentityFile N\n")]
    [InlineData("SendEnv N\nSendEnv -x\n")]
    [InlineData("\"")]
    [InlineData("Host ")]
    [InlineData("Match host a,")]
    [InlineData("Include /nonexistent/*/*\n")]
    public void A_megabyte_of_anything_reads_in_a_second(string pattern)
    {
        _lab.Context = _lab.Context with { Logger = Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance };
        string text = string.Concat(Enumerable.Range(0, (1 << 20) / pattern.Length).Select(i => pattern.Replace("N", $"{i}")));
        Quickly.Run(() => Record.Exception(() => _lab.Resolve(text)));
    }
}
