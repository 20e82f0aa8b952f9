using System.Net.Sockets;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Forwarding;

/// <summary>INVARIANTS 24 with real clients: what a server permits, by configuration, by key option and by certificate. OpenSSH's server with OpenSSH's client shows that
/// the rows are true; our server must do the same for both clients.</summary>
public sealed class PolicyTests
{
    private const string All = "LDRr";

    // L: -L, D: -D, R: -R, r: -R without a destination (SOCKS in reverse).
    private static readonly (string Options, string Config, string Allowed)[] Rows =
    [
        ("", "", All),
        ("", "DisableForwarding yes", ""),
        ("", "AllowTcpForwarding no", ""),
        ("", "AllowTcpForwarding local", "LD"),
        ("", "AllowTcpForwarding remote", "Rr"),
        ("", "PermitOpen none", "Rr"),
        ("", "PermitOpen 127.0.0.1:{target}", All),
        ("", "PermitOpen localhost:{target}", "Rr"),
        ("", "PermitListen none", "LD"),
        ("", "PermitListen localhost:{listen}", "LDR"),
        ("restrict", "", ""),
        ("no-port-forwarding", "", ""),
        ("restrict,pty,command=\"true\"", "", ""),
        ("restrict,port-forwarding,command=\"true\"", "", All),
        ("restrict,permitopen=\"127.0.0.1:{target}\"", "", ""),
        ("permitopen=\"127.0.0.1:{target}\"", "", All),
        ("permitopen=\"127.0.0.1:1\"", "", "Rr"),
        ("permitopen=\"127.0.0.1:{target}\"", "PermitOpen 127.0.0.1:1", "Rr"),
        ("permitlisten=\"localhost:{listen}\"", "", "LDR"),
        ("permitlisten=\"{listen}\"", "PermitListen none", "LD"),
        ("restrict,port-forwarding,permitopen=\"127.0.0.1:{target}\",permitlisten=\"1\"", "", "LD"),
    ];

    public static TheoryData<Peer, Peer, string, string, string> Matrix
    {
        get
        {
            var data = new TheoryData<Peer, Peer, string, string, string>();
            foreach (var (client, server) in new[] { (Peer.OpenSsh, Peer.OpenSsh), (Peer.OpenSsh, Peer.Adit), (Peer.Adit, Peer.Adit) })
            {
                foreach (var (options, config, allowed) in Rows)
                {
                    data.Add(client, server, options, config, allowed);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Matrix))]
    public Task Permits_what_it_should_and_nothing_else(Peer client, Peer server, string options, string config, string allowed) => Lab.RunAsync(async lab =>
    {
        await using Service echo = Service.Echo(lab.Deadline);
        int listen = Net.FreePort();
        string Fill(string text) => text.Replace("{target}", $"{echo.Port}", StringComparison.Ordinal).Replace("{listen}", $"{listen}", StringComparison.Ordinal);
        KeyPair key = await Keys.UserAsync();
        Server there = await lab.StartServerAsync(server, new ServerOptions
        {
            Lines = config.Length == 0 ? [] : [Fill(config)],
            AuthorizedKeys = [$"{Fill(options)} {key.PublicLine}".Trim()],
        });
        Assert.Equal(allowed, await TryAllAsync(lab, client, there, echo.Port, listen, key.Path));
    });

    [Theory]
    [InlineData(Peer.OpenSsh, Peer.OpenSsh, "", "-n {user}", All)]
    [InlineData(Peer.OpenSsh, Peer.OpenSsh, "", "-n {user} -O no-port-forwarding", "")]
    [InlineData(Peer.OpenSsh, Peer.Adit, "", "-n {user}", All)]
    [InlineData(Peer.OpenSsh, Peer.Adit, "", "-n {user} -O no-port-forwarding", "")]
    [InlineData(Peer.Adit, Peer.Adit, "", "-n {user} -O clear -O permit-pty", "")]
    [InlineData(Peer.Adit, Peer.Adit, "", "-n {user} -O clear -O permit-port-forwarding -O force-command=true", All)]
    [InlineData(Peer.OpenSsh, Peer.OpenSsh, ",permitopen=\"127.0.0.1:{target}\"", "-n {user}", All)]
    [InlineData(Peer.OpenSsh, Peer.Adit, ",permitopen=\"127.0.0.1:{target}\"", "-n {user}", All)]
    [InlineData(Peer.OpenSsh, Peer.OpenSsh, ",restrict,principals=\"ops\"", "-n ops", "")]
    [InlineData(Peer.OpenSsh, Peer.Adit, ",restrict,principals=\"ops\"", "-n ops", "")]
    [InlineData(Peer.Adit, Peer.Adit, ",permitlisten=\"{listen}\",principals=\"ops\"", "-n ops -O source-address=127.0.0.0/8", "LDR")]
    public Task Certificates(Peer client, Peer server, string options, string arguments, string allowed) => Lab.RunAsync(async lab =>
    {
        await using Service echo = Service.Echo(lab.Deadline);
        int listen = Net.FreePort();
        KeyPair authority = await Keys.MakeAsync(lab.Folder["ca"]);
        KeyPair key = await Keys.MakeAsync(lab.Folder["certified"]);
        await Keys.RunKeygenAsync(
            ["-q", "-s", authority.Path, "-I", "policy", .. arguments.Replace("{user}", Machine.UserName, StringComparison.Ordinal).Split(' '), key.Path + ".pub"]);
        options = options.Replace("{target}", $"{echo.Port}", StringComparison.Ordinal).Replace("{listen}", $"{listen}", StringComparison.Ordinal);
        Server there = await lab.StartServerAsync(server, new ServerOptions { AuthorizedKeys = [$"cert-authority{options} {authority.PublicLine}"] });
        Assert.Equal(allowed, await TryAllAsync(lab, client, there, echo.Port, listen, key.Path));
    });

    // Whoever is refused learns which rule it was, and OpenSSH's client shows it with -v.
    [Fact]
    public Task The_rule_is_told() => Lab.RunAsync(async lab =>
    {
        KeyPair key = await Keys.UserAsync();
        Server there = await lab.StartServerAsync(Peer.Adit, new ServerOptions { AuthorizedKeys = [$"permitopen=\"db:5432\" {key.PublicLine}"] });
        string rule = $"permitopen db:5432 in {lab.Folder["authorized_keys"]}:1";
        foreach (Peer client in new[] { Peer.OpenSsh, Peer.Adit })
        {
            ProcessResult result = await lab.RunSshAsync(client, there, new ClientOptions { Arguments = client == Peer.OpenSsh ? ["-v", "-W", "web:80"] : ["-W", "web:80"] });
            Assert.Equal(255, result.ExitCode);
            Assert.Contains($"refused by {rule}", result.Errors, StringComparison.Ordinal);
            Assert.Contains("open failed: administratively prohibited: open failed", result.Errors, StringComparison.Ordinal);
        }

        Assert.Contains($"to connect to host web port 80, but the request was denied. ({rule})", there.Process.Errors, StringComparison.Ordinal);
    });

    // X11 and agent forwarding are asked for inside a session: refused with it, whatever the key allows.
    [Fact]
    public Task No_session_and_with_it_no_agent_and_no_X11() => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = ["MaxSessions 0"] });
        List<string> command = [.. await Clients.SshCommandAsync(lab, Peer.OpenSsh, there, new ClientOptions(), [])];
        command.Remove("-N");
        command.InsertRange(1, ["-A", "-X"]);
        command.Add("true");
        ProcessResult result = await lab.RunAsync("ssh", command[0], command[1..]);
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("open failed", result.Errors, StringComparison.Ordinal);
    });

    private static async Task<string> TryAllAsync(Lab lab, Peer client, Server server, int target, int listen, string identity)
    {
        int local = Net.FreePort(), socks = Net.FreePort(), reverse = Net.FreePort();
        Client here = await lab.StartClientAsync(client, server, new ClientOptions
        {
            Identity = identity,
            Arguments =
            [
                "-o", "ExitOnForwardFailure=no", "-o", "IdentitiesOnly=yes",
                "-L", $"127.0.0.1:{local}:127.0.0.1:{target}", "-D", $"127.0.0.1:{socks}", "-R", $"{listen}:127.0.0.1:{target}", "-R", $"{reverse}",
            ],
        });
        await Net.WaitForListenerAsync(here.Process, local, lab.Deadline);
        await Net.WaitForListenerAsync(here.Process, socks, lab.Deadline);
        string found = "";
        found += await EchoesAsync(lab, local) ? "L" : "";
        found += await EchoesAsync(lab, socks, target) ? "D" : "";
        found += await ListensAsync(here, listen) && await EchoesAsync(lab, listen) ? "R" : "";
        found += await ListensAsync(here, reverse) && await EchoesAsync(lab, reverse, target) ? "r" : "";
        return found;
    }

    /// <summary>True once the server listens, false once the client has said that it does not.</summary>
    private static async Task<bool> ListensAsync(Client client, int port)
    {
        string refusal = $"remote port forwarding failed for listen port {port}";
        await Net.WaitUntilAsync(() => Net.IsListening(port) || client.Process.CountLines(refusal) > 0, $"an answer about port {port}", TimeSpan.FromSeconds(30));
        return client.Process.CountLines(refusal) == 0;
    }

    /// <summary>Whether an echo comes back through a port, or through the SOCKS proxy there; false when the connection is ended instead.</summary>
    private static async Task<bool> EchoesAsync(Lab lab, int port, int? throughSocksTo = null)
    {
        using Socket socket = await Net.ConnectAsync(port, lab.Deadline);
        try
        {
            if (throughSocksTo is int target)
            {
                await Net.SendAllAsync(socket, new byte[] { 5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, (byte)(target >> 8), (byte)target }, lab.Deadline);
                byte[] answers = new byte[12]; // the method's and the request's; OpenSSH ends a refused one without a word
                for (int filled = 0, received; filled < answers.Length; filled += received)
                {
                    received = await socket.ReceiveAsync(answers.AsMemory(filled), SocketFlags.None, lab.Deadline);
                    if (received == 0)
                    {
                        return false;
                    }
                }

                if (answers[3] != 0)
                {
                    return false;
                }
            }

            await Net.SendAllAsync(socket, "x"u8.ToArray(), lab.Deadline);
            byte[] echo = new byte[1];
            return await socket.ReceiveAsync(echo, SocketFlags.None, lab.Deadline) == 1;
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            return false;
        }
    }
}
