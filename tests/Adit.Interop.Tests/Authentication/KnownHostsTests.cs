using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Authentication;

/// <summary>What the client makes of known_hosts; each test runs with OpenSSH's client too, so that the two agree.</summary>
public sealed class KnownHostsTests
{
    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Finds_hashed_names(Peer client) => RunAsync(client, async (lab, there) =>
    {
        string file = lab.Folder.Write("hashed", there.KnownHosts());
        await Keys.RunKeygenAsync("-q", "-H", "-f", file);
        string hashed = await File.ReadAllTextAsync(file);
        Assert.StartsWith("|1|", hashed, StringComparison.Ordinal);
        await ConnectsAsync(lab, client, there, new ClientOptions { KnownHosts = hashed });
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Takes_patterns_and_their_exceptions(Peer client) => RunAsync(client, async (lab, there) =>
    {
        string key = there.HostKeys[0];
        await ConnectsAsync(lab, client, there, new ClientOptions { KnownHosts = $"# a comment\n\n[127.0.*]:* {key} comment\n" });
        await RefusesAsync(lab, client, there, new ClientOptions { KnownHosts = $"[127.0.*]:*,!{Name(there)} {key}\n" });
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Accept_new_writes_the_key_down_and_leaves_the_rest_alone(Peer client) => RunAsync(client, async (lab, there) =>
    {
        string before = $"# mine, do not touch\nother.example {(await Keys.UserAsync()).TypeAndBlob} me@there\n";
        string file = lab.Folder.Write("new", before);
        string[] arguments = ["-o", $"UserKnownHostsFile={file}"];
        await ConnectsAsync(lab, client, there, new ClientOptions { Arguments = arguments, StrictHostKeyChecking = "accept-new" });

        string after = await File.ReadAllTextAsync(file);
        Assert.StartsWith(before, after, StringComparison.Ordinal);
        Assert.Contains($"{Name(there)} {there.HostKeys[0]}", after, StringComparison.Ordinal);
        await ConnectsAsync(lab, client, there, new ClientOptions { Arguments = arguments });
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Accept_new_still_refuses_a_changed_key(Peer client) => RunAsync(client, async (lab, there) =>
    {
        KeyPair other = await Keys.UserAsync();
        ProcessResult result = await RefusesAsync(
            lab, client, there, new ClientOptions { KnownHosts = $"{Name(there)} {other.TypeAndBlob}\n", StrictHostKeyChecking = "accept-new" });
        Assert.Contains(result.ErrorLines, line => line.Contains("REMOTE HOST IDENTIFICATION HAS CHANGED", StringComparison.Ordinal));
    });

    // INVARIANTS 10: @revoked wins, also over a line that knows the key.
    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Revoked_wins_over_everything(Peer client) => RunAsync(client, async (lab, there) =>
    {
        string knownHosts = there.KnownHosts() + $"@revoked * {there.HostKeys[0]}\n";
        foreach (string checking in new[] { "yes", "accept-new" })
        {
            await RefusesAsync(lab, client, there, new ClientOptions { KnownHosts = knownHosts, StrictHostKeyChecking = checking });
        }

        // "no" may talk to such a server, but must not forward anything through it.
        ProcessResult result = await lab.RunSshAsync(
            client, there, new ClientOptions { KnownHosts = knownHosts, StrictHostKeyChecking = "no" }, $"127.0.0.1:{Net.FreePort()}:127.0.0.1:1");
        Assert.Equal(255, result.ExitCode);
    });

    [Theory]
    [InlineData(Peer.OpenSsh, "yes", true)]
    [InlineData(Peer.Adit, "yes", true)]
    [InlineData(Peer.OpenSsh, "no", false)]
    [InlineData(Peer.Adit, "no", false)]
    public Task Asks_about_an_unknown_key(Peer client, string answer, bool accepted) => RunAsync(client, async (lab, there) =>
    {
        string file = lab.Folder.Write("asked", "");
        var options = new ClientOptions
        {
            Arguments = ["-o", $"UserKnownHostsFile={file}"],
            StrictHostKeyChecking = "ask",
            BatchMode = false,
            Environment = KeyTests.AskPass(lab.Folder.WriteAskPass("askpass", answer)),
        };
        if (accepted)
        {
            await ConnectsAsync(lab, client, there, options);
            Assert.Contains(there.HostKeys[0], await File.ReadAllTextAsync(file), StringComparison.Ordinal);
        }
        else
        {
            await RefusesAsync(lab, client, there, options);
            Assert.Equal("", await File.ReadAllTextAsync(file));
        }
    });

    // A server with several keys is asked for the one that is known, not for the one that we like best.
    [Theory]
    [InlineData(Peer.OpenSsh, Peer.Adit, "rsa")]
    [InlineData(Peer.Adit, Peer.OpenSsh, "rsa")]
    [InlineData(Peer.Adit, Peer.OpenSsh, "ecdsa-384")]
    [InlineData(Peer.Adit, Peer.Adit, "ecdsa-256")]
    public Task Prefers_the_types_of_key_that_are_known(Peer client, Peer server, string type) => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(server, new ServerOptions { HostKeyTypes = Keys.Types });
        KeyPair known = await Keys.HostAsync(type);
        await ConnectsAsync(lab, client, there, new ClientOptions { KnownHosts = $"{Name(there)} {known.TypeAndBlob}\n" });
    });

    private static string Name(Server there) => $"[127.0.0.1]:{there.Port}";

    private static Task RunAsync(Peer client, Func<Lab, Server, Task> test)
    {
        _ = client;
        return Lab.RunAsync(async lab => await test(lab, await lab.StartServerAsync(Peer.OpenSsh)));
    }

    private static async Task ConnectsAsync(Lab lab, Peer client, Server there, ClientOptions options)
    {
        await using Service echo = Service.Echo(lab.Deadline);
        Client here = await lab.StartClientAsync(client, there, options with { Targets = [echo.Port] });
        await Traffic.EchoAsync(here.Port, 100, lab.Deadline);
        here.Process.Signal(ManagedProcess.SigTerm);
        await here.Process.WaitForExitAsync(lab.Deadline);
    }

    private static async Task<ProcessResult> RefusesAsync(Lab lab, Peer client, Server there, ClientOptions options)
    {
        ProcessResult result = await lab.RunSshAsync(client, there, options);
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("Host key verification failed.", result.ErrorLines);
        return result;
    }
}
