using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Authentication;

/// <summary>Login by keys of every type, from every kind of file, from the agent, and by certificates.</summary>
public sealed class KeyTests
{
    public static TheoryData<Peer, Peer, string> KeyTypes
    {
        get
        {
            var rows = new TheoryData<Peer, Peer, string>();
            foreach (string type in Keys.Types)
            {
                rows.Add(Peer.Adit, Peer.OpenSsh, type);
                rows.Add(Peer.OpenSsh, Peer.Adit, type);
                rows.Add(Peer.Adit, Peer.Adit, type);
            }

            return rows;
        }
    }

    [Theory]
    [MemberData(nameof(KeyTypes))]
    public Task Logs_in_with_every_type_of_key(Peer client, Peer server, string type) => Lab.RunAsync(async lab =>
    {
        KeyPair key = await Keys.UserAsync(type);
        await using Service echo = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(server, new ServerOptions { AuthorizedKeys = [key.PublicLine] });
        Client here = await lab.StartClientAsync(client, there, new ClientOptions { Identity = key.Path, Targets = [echo.Port] });
        await Traffic.EchoAsync(here.Port, 1000, lab.Deadline);
    });

    [Theory]
    [InlineData("RFC4716", "ed25519", "")]
    [InlineData("RFC4716", "ed25519", "open sesame")]
    [InlineData("RFC4716", "rsa", "open sesame")]
    [InlineData("PEM", "rsa", "")]
    [InlineData("PEM", "rsa", "open sesame")]
    [InlineData("PEM", "ecdsa-256", "")]
    [InlineData("PEM", "ecdsa-384", "open sesame")]
    [InlineData("PKCS8", "rsa", "")]
    [InlineData("PKCS8", "rsa", "open sesame")]
    [InlineData("PKCS8", "ecdsa-521", "")]
    [InlineData("PKCS8", "ecdsa-256", "open sesame")]
    public Task Reads_every_kind_of_key_file(string format, string type, string passphrase) => Lab.RunAsync(async lab =>
    {
        KeyPair key = await Keys.MakeAsync(lab.Folder["key"], type);
        await Keys.RunKeygenAsync("-q", "-p", "-f", key.Path, "-m", format, "-P", "", "-N", passphrase);
        string askPass = lab.Folder.WriteAskPass("askpass", passphrase);
        await using Service echo = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(Peer.OpenSsh, new ServerOptions { AuthorizedKeys = [key.PublicLine] });
        Client here = await lab.StartClientAsync(
            Peer.Adit,
            there,
            new ClientOptions
            {
                Identity = key.Path,
                BatchMode = passphrase.Length == 0,
                Environment = AskPass(askPass),
                Targets = [echo.Port],
            });
        await Traffic.EchoAsync(here.Port, 1000, lab.Deadline);
    });

    [Theory]
    [InlineData(Peer.Adit, Peer.OpenSsh, "ed25519")]
    [InlineData(Peer.Adit, Peer.OpenSsh, "rsa")]
    [InlineData(Peer.Adit, Peer.OpenSsh, "ecdsa-256")]
    [InlineData(Peer.OpenSsh, Peer.Adit, "ed25519")]
    [InlineData(Peer.Adit, Peer.Adit, "rsa")]
    public Task Logs_in_with_a_key_from_the_agent(Peer client, Peer server, string type) => Lab.RunAsync(async lab =>
    {
        KeyPair key = await Keys.UserAsync(type);
        string socket = await StartAgentAsync(lab);
        var environment = new Dictionary<string, string?> { ["SSH_AUTH_SOCK"] = socket };
        ProcessResult added = await lab.RunAsync("ssh-add", Machine.Tool("ssh-add"), ["-q", key.Path], environment);
        Assert.Equal(0, added.ExitCode);

        await using Service echo = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(server, new ServerOptions { AuthorizedKeys = [key.PublicLine] });

        // The public half alone names the agent's key.
        string publicOnly = lab.Folder.Write("only.pub", key.PublicLine + "\n");
        Client here = await lab.StartClientAsync(
            client,
            there,
            new ClientOptions
            {
                Identity = publicOnly,
                Arguments = ["-o", "IdentitiesOnly=yes"],
                Environment = environment,
                Targets = [echo.Port],
            });
        await Traffic.EchoAsync(here.Port, 1000, lab.Deadline);
    });

    [Theory]
    [InlineData(Peer.Adit, Peer.OpenSsh, "ed25519")]
    [InlineData(Peer.Adit, Peer.OpenSsh, "rsa")]
    [InlineData(Peer.OpenSsh, Peer.Adit, "ed25519")]
    [InlineData(Peer.OpenSsh, Peer.Adit, "ecdsa-256")]
    [InlineData(Peer.OpenSsh, Peer.Adit, "rsa")]
    [InlineData(Peer.Adit, Peer.Adit, "ed25519")]
    public Task Logs_in_with_a_user_certificate(Peer client, Peer server, string type) => Lab.RunAsync(async lab =>
    {
        KeyPair authority = await Keys.UserAsync("ecdsa-256");
        KeyPair key = await Keys.MakeAsync(lab.Folder["id"], type);
        await Keys.RunKeygenAsync("-q", "-s", authority.Path, "-I", "adit test", "-n", Machine.UserName, "-V", "-1m:+1h", key.Path + ".pub");

        await using Service echo = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(
            server, new ServerOptions { AuthorizedKeys = ["# only certificates"], Lines = [$"TrustedUserCAKeys {authority.Path}.pub"] });
        Client here = await lab.StartClientAsync(client, there, new ClientOptions { Identity = key.Path, Targets = [echo.Port] });
        await Traffic.EchoAsync(here.Port, 1000, lab.Deadline);
    });

    // INVARIANTS 11: the principals of a certificate say who may log in by it; none means nobody.
    [Theory]
    [InlineData(Peer.OpenSsh, "somebody-else", "-1m:+1h")]
    [InlineData(Peer.OpenSsh, null, "-1m:+1h")]
    [InlineData(Peer.OpenSsh, "", "-2h:-1h")]
    [InlineData(Peer.Adit, "somebody-else", "-1m:+1h")]
    public Task Our_server_refuses_a_certificate_for_others_and_an_expired_one(Peer client, string? principal, string validity) => Lab.RunAsync(async lab =>
    {
        KeyPair authority = await Keys.UserAsync("ecdsa-256");
        KeyPair key = await Keys.MakeAsync(lab.Folder["id"]);
        string[] principals = principal is null ? [] : ["-n", principal.Length == 0 ? Machine.UserName : principal];
        await Keys.RunKeygenAsync(["-q", "-s", authority.Path, "-I", "adit test", .. principals, "-V", validity, key.Path + ".pub"]);

        Server there = await lab.StartServerAsync(
            Peer.Adit, new ServerOptions { AuthorizedKeys = ["# only certificates"], Lines = [$"TrustedUserCAKeys {authority.Path}.pub"] });
        ProcessResult result = await lab.RunSshAsync(client, there, new ClientOptions { Identity = key.Path });
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("Permission denied", result.Errors, StringComparison.Ordinal);
    });

    [Theory]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.Adit)]
    public Task Trusts_a_host_certificate(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        KeyPair authority = await Keys.UserAsync("ecdsa-256");
        KeyPair host = await Keys.MakeAsync(lab.Folder["host"]);
        await Keys.RunKeygenAsync("-q", "-s", authority.Path, "-I", "adit test host", "-h", "-n", "127.0.0.1", "-V", "-1m:+1h", host.Path + ".pub");

        await using Service echo = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(
            server, new ServerOptions { Lines = [$"HostKey {host.Path}", $"HostCertificate {host.Path}-cert.pub"] });
        Client here = await lab.StartClientAsync(
            client, there, new ClientOptions { KnownHosts = $"@cert-authority 127.0.0.1,[127.0.0.1]:* {authority.TypeAndBlob}\n", Targets = [echo.Port] });
        await Traffic.EchoAsync(here.Port, 1000, lab.Deadline);
    });

    internal static Dictionary<string, string?> AskPass(string script) => new()
    {
        ["SSH_ASKPASS"] = script,
        ["SSH_ASKPASS_REQUIRE"] = "force",
        ["DISPLAY"] = ":0",
    };

    private static async Task<string> StartAgentAsync(Lab lab)
    {
        string socket = lab.Folder["agent.sock"];
        ManagedProcess agent = lab.Start("ssh-agent", Machine.Tool("ssh-agent"), ["-D", "-a", socket]);
        await Net.WaitUntilAsync(() => File.Exists(socket) || agent.HasExited, "the agent's socket", TimeSpan.FromSeconds(10));
        return socket;
    }
}
