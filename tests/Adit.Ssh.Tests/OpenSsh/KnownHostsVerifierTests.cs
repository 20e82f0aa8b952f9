using System.Net;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Transport;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Tests.OpenSsh;

public sealed class KnownHostsVerifierTests : IDisposable
{
    private const string Known = "This key is not known by any other names.\n";

    private readonly OpenSshTestFolder _folder = new();
    private readonly List<string> _lines = [];
    private readonly List<string> _prompts = [];
    private readonly Queue<string?> _answers = new();
    private readonly KnownHostsOptions _options;

    public KnownHostsVerifierTests() => _options = new KnownHostsOptions
    {
        UserFiles = [File, _folder["known_hosts2"]],
        GlobalFiles = [_folder["global"]],
        Warn = _lines.Add,
        Confirm = (prompt, _) =>
        {
            _prompts.Add(prompt);
            return ValueTask.FromResult(_answers.Dequeue());
        },
    };

    private string File => _folder["known_hosts"];

    private static PublicKey Key => TestKeys.Ed25519;

    public void Dispose() => _folder.Dispose();

    private async Task<HostKeyContext> Verify(HostKeyPolicy policy, string host = "host", int port = 22, string? address = "192.0.2.7", PublicKey? key = null)
    {
        _options.Policy = policy;
        var context = new HostKeyContext(host, port, address is null ? null : IPAddress.Parse(address), key ?? Key);
        await KnownHosts.OpenSsh(_options).VerifyAsync(context, CancellationToken.None);
        return context;
    }

    private async Task<SshException> Fails(HostKeyPolicy policy, SshError error, string host = "host", int port = 22)
    {
        var e = await Assert.ThrowsAsync<SshException>(() => Verify(policy, host, port));
        Assert.Equal((error, "Host key verification failed."), (e.Error, e.Message));
        Assert.Contains(Key.Fingerprint, e.Hint);
        return e;
    }

    [Fact]
    public async Task A_known_key_passes_in_silence()
    {
        _folder.Write("known_hosts", $"host {Key.ToText()}\n");
        foreach (var policy in Enum.GetValues<HostKeyPolicy>())
            Assert.False((await Verify(policy, "HOST")).IsUnsafe);
        Assert.Empty(_lines);
        Assert.Equal($"host {Key.ToText()}\n", _folder.Read("known_hosts"));
    }

    [Fact]
    public async Task Yes_refuses_an_unknown_key_and_adds_nothing()
    {
        await Fails(HostKeyPolicy.Yes, SshError.HostKeyUnknown);
        Assert.Equal(["No ED25519 host key is known for host and you have requested strict checking."], _lines);
        Assert.False(System.IO.File.Exists(File));
    }

    [Fact]
    public async Task Ask_shows_the_fingerprint_and_adds_on_yes()
    {
        _answers.Enqueue("what?");
        _answers.Enqueue(" YES ");
        await Verify(HostKeyPolicy.Ask, "Host", 2222);
        Assert.Equal(
            [
                $"The authenticity of host '[host]:2222 ([192.0.2.7]:2222)' can't be established.\nED25519 key fingerprint is {Key.Fingerprint}.\n{Known}Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
                "Please type 'yes', 'no' or the fingerprint: ",
            ],
            _prompts);
        Assert.Equal(["Warning: Permanently added '[host]:2222' (ED25519) to the list of known hosts."], _lines);
        Assert.Equal($"[host]:2222 {Key.ToText()}\n", _folder.Read("known_hosts"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(File));
        Assert.Empty(_answers);
    }

    [Theory]
    [InlineData("no")]
    [InlineData("")]
    [InlineData("  ")]
    [InlineData(null)]
    public async Task Ask_takes_no_for_an_answer(string? answer)
    {
        _answers.Enqueue(answer);
        await Fails(HostKeyPolicy.Ask, SshError.HostKeyUnknown);
        Assert.False(System.IO.File.Exists(File));
        Assert.Empty(_lines);
    }

    [Fact]
    public async Task Ask_takes_the_fingerprint_and_no_other()
    {
        _answers.Enqueue(TestKeys.OtherEd25519.Fingerprint);
        _answers.Enqueue(Key.Fingerprint);
        await Verify(HostKeyPolicy.Ask);
        Assert.Equal(2, _prompts.Count);
    }

    [Fact]
    public async Task Without_anybody_to_ask_the_key_is_refused()
    {
        _options.Confirm = null;
        await Fails(HostKeyPolicy.Ask, SshError.HostKeyUnknown);
        Assert.Empty(_lines);
    }

    [Fact]
    public async Task Other_names_of_the_key_are_told()
    {
        string key = Key.ToText();
        _folder.Write("known_hosts", $"a,b* {key}\n{KnownHostsEntry.HashName("x")} {key}\n@cert-authority c {key}\n@revoked d {key}\ne {TestKeys.Rsa.ToText()}\n");
        _folder.Write("global", string.Concat(Enumerable.Range(1, 8).Select(i => $"n{i} {key}\n")));
        _answers.Enqueue("no");
        await Fails(HostKeyPolicy.Ask, SshError.HostKeyUnknown);
        Assert.Contains(
            $".\nThis host key is known by the following other names/addresses:\n    {File}:1: a,b*\n    {File}:2: [hashed name]\n"
            + string.Concat(Enumerable.Range(1, 6).Select(i => $"    {_folder["global"]}:{i}: n{i}\n")) + "    (2 additional names omitted)\nAre you sure",
            _prompts[0]);
    }

    [Theory]
    [InlineData(HostKeyPolicy.AcceptNew)]
    [InlineData(HostKeyPolicy.No)]
    public async Task New_keys_are_added_where_that_is_allowed(HostKeyPolicy policy)
    {
        Assert.False((await Verify(policy, address: null)).IsUnsafe);
        Assert.Equal(["Warning: Permanently added 'host' (ED25519) to the list of known hosts."], _lines);
        Assert.Equal($"host {Key.ToText()}\n", _folder.Read("known_hosts"));
    }

    [Theory]
    [InlineData(HostKeyPolicy.Yes)]
    [InlineData(HostKeyPolicy.Ask)]
    [InlineData(HostKeyPolicy.AcceptNew)]
    [InlineData(HostKeyPolicy.No)]
    public async Task A_changed_key_is_reported_word_for_word(HostKeyPolicy policy)
    {
        string text = $"# mine\n[host]:2222 {TestKeys.Rsa.ToText()}\n";
        _folder.Write("known_hosts2", text);
        string[] block =
        [
            "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@",
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
            "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@",
            "IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!",
            "Someone could be eavesdropping on you right now (man-in-the-middle attack)!",
            "It is also possible that a host key has just been changed.",
            "The fingerprint for the ED25519 key sent by the remote host is",
            $"{Key.Fingerprint}.",
            "Please contact your system administrator.",
            $"Add correct host key in {File} to get rid of this message.",
            $"Offending RSA key in {_folder["known_hosts2"]}:2",
            "  remove with:",
            $"  ssh-keygen -f \"{_folder["known_hosts2"]}\" -R \"[host]:2222\"",
        ];
        if (policy == HostKeyPolicy.No)
        {
            Assert.True((await Verify(policy, port: 2222)).IsUnsafe);
            Assert.Equal(block, _lines);
        }
        else
        {
            await Fails(policy, SshError.HostKeyChanged, port: 2222);
            Assert.Equal([.. block, "Host key for [host]:2222 has changed and you have requested strict checking."], _lines);
        }
        Assert.Equal(text, _folder.Read("known_hosts2"));
        Assert.False(System.IO.File.Exists(File));
        Assert.Empty(_prompts);
    }

    // INVARIANTS 10: a revoked key is refused though another line vouches for it.
    [Fact]
    public async Task A_revoked_key_is_refused()
    {
        _folder.Write("known_hosts", $"host {Key.ToText()}\n");
        _folder.Write("global", $"@revoked * {Key.ToText()}\n");
        await Fails(HostKeyPolicy.Ask, SshError.HostKeyRevoked);
        Assert.Contains("@       WARNING: REVOKED HOST KEY DETECTED!               @", _lines);
        Assert.Contains("The ED25519 host key for host is marked as revoked.", _lines);
        Assert.Equal("ED25519 host key for host was revoked and you have requested strict checking.", _lines[^1]);
        Assert.True((await Verify(HostKeyPolicy.No)).IsUnsafe);
    }

    [Fact]
    public async Task A_key_revoked_for_the_bare_name_is_revoked_for_every_port()
    {
        _folder.Write("known_hosts", $"@revoked host {Key.ToText()}\n");
        await Fails(HostKeyPolicy.AcceptNew, SshError.HostKeyRevoked, port: 2222);
    }

    [Fact]
    public async Task The_bare_name_vouches_for_another_port_but_does_not_condemn()
    {
        _folder.Write("known_hosts", $"host {Key.ToText()}\n");
        await Verify(HostKeyPolicy.Yes, port: 2222);
        Assert.Empty(_lines);
        _folder.Write("known_hosts", $"host {TestKeys.Rsa.ToText()}\n");
        await Verify(HostKeyPolicy.AcceptNew, port: 2222);
        Assert.Equal(["Warning: Permanently added '[host]:2222' (ED25519) to the list of known hosts."], _lines);
    }

    [Fact]
    public async Task Names_are_hashed_when_asked()
    {
        _options.HashKnownHosts = true;
        _options.CheckHostIP = true;
        await Verify(HostKeyPolicy.AcceptNew, port: 2222);
        Assert.Equal(["Warning: Permanently added '[host]:2222,[192.0.2.7]:2222' (ED25519) to the list of known hosts."], _lines);
        string text = _folder.Read("known_hosts");
        Assert.DoesNotContain("host", text.Replace(Key.ToText(), ""));
        Assert.Equal(2, text.Count(c => c == '\n'));
        await Verify(HostKeyPolicy.Yes, port: 2222);
        await Verify(HostKeyPolicy.Yes, "192.0.2.7", 2222);
        Assert.Single(_lines);
    }

    [Fact]
    public async Task CheckHostIP_adds_the_address_and_warns_when_it_differs()
    {
        _options.CheckHostIP = true;
        await Verify(HostKeyPolicy.AcceptNew);
        Assert.Equal($"host,192.0.2.7 {Key.ToText()}\n", _folder.Read("known_hosts"));
        await Verify(HostKeyPolicy.AcceptNew, address: "192.0.2.8");
        Assert.Equal("Warning: Permanently added the ED25519 host key for IP address '192.0.2.8' to the list of known hosts.", _lines[^1]);

        _folder.Write("known_hosts", $"host {Key.ToText()}\n192.0.2.7 {TestKeys.Rsa.ToText()}\n");
        string warning = $"Warning: the ED25519 host key for 'host' differs from the key for the IP address '192.0.2.7'\nOffending key for IP in {File}:2\nMatching host key in {File}:1";
        await Fails(HostKeyPolicy.AcceptNew, SshError.HostKeyChanged);
        Assert.Equal([warning, "Exiting, you have requested strict checking."], _lines[^2..]);
        _answers.Enqueue("yes");
        await Verify(HostKeyPolicy.Ask);
        Assert.Equal(warning + "\nAre you sure you want to continue connecting (yes/no)? ", _prompts[^1]);

        _folder.Write("known_hosts", $"host {TestKeys.Rsa.ToText()}\n192.0.2.7 {Key.ToText()}\n");
        _lines.Clear();
        await Fails(HostKeyPolicy.AcceptNew, SshError.HostKeyChanged);
        Assert.Equal("@       WARNING: POSSIBLE DNS SPOOFING DETECTED!          @", _lines[1]);
        Assert.Contains("is unchanged. This could either mean that", _lines);
    }

    [Fact]
    public async Task CheckHostIP_means_nothing_for_loopback_and_proxies()
    {
        _options.CheckHostIP = true;
        await Verify(HostKeyPolicy.AcceptNew, address: "127.0.0.1");
        Assert.Equal($"host {Key.ToText()}\n", _folder.Read("known_hosts"));
        await Verify(HostKeyPolicy.AcceptNew, "proxied", address: null);
        Assert.Equal($"host {Key.ToText()}\nproxied {Key.ToText()}\n", _folder.Read("known_hosts"));
    }

    [Fact]
    public async Task An_alias_stands_for_the_host_and_its_port()
    {
        _options.HostKeyAlias = "Alias";
        await Verify(HostKeyPolicy.AcceptNew, port: 2222);
        Assert.Equal($"alias {Key.ToText()}\n", _folder.Read("known_hosts"));
        Assert.Equal(["ssh-ed25519"], KnownHosts.OpenSsh(_options).KnownKeyTypes("whatever", 99));
    }

    [Fact]
    public async Task Localhost_may_go_unchecked()
    {
        _options.NoHostAuthenticationForLocalhost = true;
        await Verify(HostKeyPolicy.Yes, address: "127.0.0.1");
        await Fails(HostKeyPolicy.Yes, SshError.HostKeyUnknown);
    }

    [Fact]
    public async Task Without_a_callback_the_lines_are_logged()
    {
        var log = new ListLogger();
        _options.Warn = null;
        _options.Logger = log;
        await Verify(HostKeyPolicy.AcceptNew);
        Assert.Contains((LogLevel.Warning, "Warning: Permanently added 'host' (ED25519) to the list of known hosts."), log.Lines);
        Assert.Contains((LogLevel.Debug, $"Server host key: ssh-ed25519 {Key.Fingerprint}"), log.Lines);
        _folder.Write("known_hosts", $"host {TestKeys.Rsa.ToText()}\n");
        await Fails(HostKeyPolicy.Yes, SshError.HostKeyChanged);
        Assert.Contains((LogLevel.Error, "Host key for host has changed and you have requested strict checking."), log.Lines);
    }

    // INVARIANTS 10, 28: a name that the format gives a meaning is never written, nor is what could steer a terminal shown.
    [Theory]
    [InlineData("*")]
    [InlineData("a b")]
    [InlineData("#a")]
    [InlineData("@revoked")]
    [InlineData("a\nb ssh-ed25519 AAAA")]
    [InlineData("!a")]
    [InlineData("|1|x")]
    [InlineData("a\u001b[2J")]
    public async Task A_name_with_a_meaning_is_not_recorded(string host)
    {
        _options.HostKeyAlias = host;
        await Verify(HostKeyPolicy.AcceptNew);
        Assert.False(System.IO.File.Exists(File) && _folder.Read("known_hosts").Length > 0);
        Assert.StartsWith("Failed to add the host to the list of known hosts", Assert.Single(_lines));
        Assert.DoesNotContain(_lines[0], c => char.IsControl(c));
    }

    [Fact]
    public async Task A_file_that_cannot_be_written_is_reported_and_not_fatal()
    {
        _options.UserFiles = [_folder["no/such/folder/known_hosts"]];
        await Verify(HostKeyPolicy.AcceptNew);
        Assert.StartsWith($"Failed to add the host to the list of known hosts ({_folder["no/such/folder/known_hosts"]})", Assert.Single(_lines));
        _options.UserFiles = [];
        await Verify(HostKeyPolicy.AcceptNew);
        Assert.Single(_lines);
    }
}
