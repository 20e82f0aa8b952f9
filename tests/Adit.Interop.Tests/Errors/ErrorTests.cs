using System.Net;
using System.Net.Sockets;
using Adit.Interop.Tests.Authentication;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Errors;

/// <summary>What goes wrong says so as OpenSSH says it: its first line, its exit code, taken from OpenSSH itself in the same run.</summary>
public sealed class ErrorTests
{
    [Fact]
    public Task Port_in_use() => WithServer(async (lab, there) =>
    {
        await using Service taken = Service.Echo(lab.Deadline);
        await Compare.ClientsAsync(
            lab, there, new ClientOptions(), $"bind [127.0.0.1]:{taken.Port}: Address already in use", $"127.0.0.1:{taken.Port}:127.0.0.1:1");
    });

    [Theory]
    [InlineData(Peer.OpenSsh, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.Adit, Peer.Adit)]
    public Task Target_refused(Peer client, Peer server) => Lab.RunAsync(lab => Compare.SaidWhileRunningAsync(
        lab, client, server, "127.0.0.1", Net.FreePort(), "channel N: open failed: connect failed: Connection refused"));

    [Theory]
    [InlineData(Peer.OpenSsh, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.Adit, Peer.Adit)]
    public Task Name_unknown_at_the_far_end(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        // What the resolver says depends on the machine ("Name or service not known" where it reaches a name server).
        ProcessResult resolver = await lab.RunAsync("python", "/usr/bin/env", ["python3", "-c", "import socket\ntry: socket.getaddrinfo('no-such-host.invalid', 80)\nexcept OSError as e: print(e.strerror)"]);
        Need.That(resolver.ExitCode == 0, "python3");
        await Compare.SaidWhileRunningAsync(
            lab, client, server, "no-such-host.invalid", 80, $"channel N: open failed: connect failed: {resolver.Output.Trim()}");
    });

    [Fact]
    public Task Unknown_host_key() => WithServer((lab, there) => Compare.ClientsAsync(
        lab, there, new ClientOptions { KnownHosts = "" }, "No ED25519 host key is known for [127.0.0.1]:"));

    [Fact]
    public Task Unknown_host_key_and_nobody_to_ask() => WithServer((lab, there) => Compare.ClientsAsync(
        lab, there, new ClientOptions { KnownHosts = "", StrictHostKeyChecking = "ask" }, "Host key verification failed."));

    [Fact]
    public Task Changed_host_key() => WithServer(async (lab, there) =>
    {
        KeyPair other = await Keys.UserAsync();
        string file = lab.Folder.Write("known", $"# first line\n[127.0.0.1]:{there.Port} {other.TypeAndBlob}\n");
        var options = new ClientOptions { Arguments = ["-o", $"UserKnownHostsFile={file}"] };
        ProcessResult theirs = await lab.RunSshAsync(Peer.OpenSsh, there, options);
        ProcessResult ours = await lab.RunSshAsync(Peer.Adit, there, options);
        Assert.Contains(theirs.ErrorLines, line => line.Contains("REMOTE HOST IDENTIFICATION HAS CHANGED", StringComparison.Ordinal));
        Assert.Equal(theirs.ErrorLines[0], ours.ErrorLines[0]);
        foreach (string telling in new[] { "IDENTIFICATION HAS CHANGED", there.Fingerprint, $"Offending ED25519 key in {file}:2", "remove with", "ssh-keygen -f", "Host key verification failed." })
        {
            string line = theirs.ErrorLines.First(line => line.Contains(telling, StringComparison.Ordinal));
            Assert.Contains(line, ours.ErrorLines);
        }

        Assert.Equal(theirs.ExitCode, ours.ExitCode);
    });

    [Theory]
    [InlineData("127.0.0.1:1")]
    [InlineData("no-such-host.invalid,127.0.0.1:1")]
    public Task Jump_host_that_cannot_be_reached(string jumps) => Lab.RunAsync(async lab =>
    {
        Need.Tools("ssh");
        string[] words = ["-F", "none", "-o", "BatchMode=yes", "-J", jumps, "target", "true"];
        ProcessResult theirs = await lab.RunAsync("theirs", Machine.Tool("ssh"), words);
        ProcessResult ours = await lab.RunAsync("ours", Machine.Adit, ["ssh", .. words]);
        Assert.Contains("Connection closed by UNKNOWN port 65535", theirs.ErrorLines);
        Assert.Equal(theirs.ErrorLines, ours.ErrorLines.Where(line => !line.StartsWith("adit: ", StringComparison.Ordinal)));
        Assert.Equal((255, 255), (theirs.ExitCode, ours.ExitCode));
    });

    [Fact]
    public Task Jump_host_that_refuses_the_login() => Lab.RunAsync(async lab =>
    {
        Need.Tools("ssh");
        Server hop = await lab.StartServerAsync(Peer.OpenSsh);
        string known = lab.Folder.Write("known", $"[127.0.0.1]:{hop.Port} {hop.HostKeys[0]}\n");
        string config = lab.Folder.Write("config", $"BatchMode yes\nIdentityFile none\nIdentityAgent none\nUserKnownHostsFile {known}\n");
        string[] words = ["-F", config, "-J", $"127.0.0.1:{hop.Port}", "target", "true"];
        ProcessResult theirs = await lab.RunAsync("theirs", Machine.Tool("ssh"), words);
        ProcessResult ours = await lab.RunAsync("ours", Machine.Adit, ["ssh", .. words]);
        Assert.Contains("Connection closed by UNKNOWN port 65535", theirs.ErrorLines);
        Assert.Equal(theirs.ErrorLines, ours.ErrorLines.Where(line => !line.StartsWith("adit: ", StringComparison.Ordinal)));
        Assert.Equal((255, 255), (theirs.ExitCode, ours.ExitCode));
    });

    [Fact]
    public Task Lines_that_people_look_for_with_v() => WithServer(async (lab, there) =>
    {
        string config = lab.Folder.Write("v_config", "# a comment\nHost 127.*\n  ConnectTimeout 50\n");
        KeyPair key = await Keys.UserAsync();
        string known = lab.Folder.Write("known", $"[127.0.0.1]:{there.Port} {there.HostKeys[0]}\n");
        string[] words =
        [
            "-v", "-F", config, "-i", key.Path, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", $"UserKnownHostsFile={known}",
            "-p", $"{there.Port}", $"{there.User}@127.0.0.1", "true",
        ];
        ProcessResult theirs = await lab.RunAsync("theirs", Machine.Tool("ssh"), words);
        ProcessResult ours = await lab.RunAsync("ours", Machine.Adit, ["ssh", .. words]);
        foreach (string telling in new[] { "Applying options for", "Connecting to", "Connection established.", "identity file", "Authenticating to" })
        {
            IEnumerable<string> Told(ProcessResult result) => result.Errors.Split('\n', StringSplitOptions.TrimEntries).Where(line => line.Contains(telling, StringComparison.Ordinal));
            Assert.NotEmpty(Told(theirs));
            Assert.Equal(Told(theirs), Told(ours));
        }
    });

    [Theory]
    [InlineData("Ciphers", "aes128-ctr", "aes256-ctr", "no matching cipher found")]
    [InlineData("KexAlgorithms", "ecdh-sha2-nistp256", "curve25519-sha256", "no matching key exchange method found")]
    [InlineData("MACs", "hmac-sha2-256", "hmac-sha2-512", "no matching MAC found")]
    [InlineData("HostKeyAlgorithms", "ssh-ed25519", "rsa-sha2-512", "no matching host key type found")]
    public Task No_matching_algorithm(string keyword, string there, string here, string expected) => Lab.RunAsync(async lab =>
    {
        string[] ciphers = keyword == "MACs" ? ["Ciphers aes128-ctr"] : [];
        var options = new ClientOptions { Arguments = ["-o", $"{keyword}={here}", .. keyword == "MACs" ? ["-o", "Ciphers=aes128-ctr"] : Array.Empty<string>()] };
        var server = new ServerOptions { Lines = [$"{keyword} {there}", .. ciphers] };
        await Compare.ClientsAsync(lab, await lab.StartServerAsync(Peer.OpenSsh, server), options, expected);
        await Compare.ServersAsync(lab, server, options, expected);
    });

    [Fact]
    public Task Authentication_failed() => Lab.RunAsync(async lab =>
    {
        KeyPair stranger = await Keys.UserAsync("ecdsa-256");
        var options = new ClientOptions { Identity = stranger.Path, Arguments = ["-o", "IdentitiesOnly=yes"] };
        string expected = $"{Machine.UserName}@127.0.0.1: Permission denied (publickey,password";
        var server = new ServerOptions { Lines = ["PasswordAuthentication yes", "KbdInteractiveAuthentication no"] };
        await Compare.ClientsAsync(lab, await lab.StartServerAsync(Peer.OpenSsh, server), options, expected);
        await Compare.ServersAsync(lab, server, options, expected);
    });

    [Fact]
    public Task Unknown_user() => Lab.RunAsync(lab => Compare.ServersAsync(
        lab,
        new ServerOptions { Lines = ["PasswordAuthentication yes", "KbdInteractiveAuthentication no"] },
        new ClientOptions { User = "nobody-of-that-name" },
        "nobody-of-that-name@127.0.0.1: Permission denied (publickey,password"));

    [Fact]
    public Task Too_many_attempts() => Lab.RunAsync(async lab =>
    {
        var identities = new List<string>();
        for (int i = 0; i < 7; i++)
        {
            identities.AddRange(["-i", (await Keys.MakeAsync(lab.Folder[$"id{i}"])).Path]);
        }

        var options = new ClientOptions { Identity = "", Arguments = [.. identities, "-o", "IdentitiesOnly=yes"] };
        await Compare.ClientsAsync(lab, await lab.StartServerAsync(Peer.OpenSsh), options, "Too many authentication failures");
        await Compare.ServersAsync(lab, new ServerOptions(), options, "Too many authentication failures");
    });

    [Fact]
    public Task Key_file_that_others_can_read() => Lab.RunAsync(async lab =>
    {
        KeyPair key = await Keys.MakeAsync(lab.Folder["open"]);
        Server there = await lab.StartServerAsync(Peer.OpenSsh, new ServerOptions { AuthorizedKeys = [key.PublicLine] });
        File.SetUnixFileMode(key.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        File.Delete(key.Path + ".pub");
        var options = new ClientOptions { Identity = key.Path, Arguments = ["-o", "IdentitiesOnly=yes"] };
        await Compare.ClientsAsync(lab, there, options, "@@@@@@");
        ProcessResult ours = await lab.RunSshAsync(Peer.Adit, there, options);
        Assert.Contains($"Permissions 0644 for '{key.Path}' are too open.", ours.ErrorLines);
    });

    [Fact]
    public Task Key_file_that_is_not_there() => WithServer((lab, there) => Compare.ClientsAsync(
        lab, there, new ClientOptions { Identity = "/nowhere/id", Arguments = ["-o", "IdentitiesOnly=yes"] }, "Warning: Identity file /nowhere/id not accessible: No such file or directory."));

    [Fact]
    public Task Wrong_passphrase() => WithServer(async (lab, there) =>
    {
        KeyPair key = await Keys.MakeAsync(lab.Folder["locked"], passphrase: "right");
        await Compare.ClientsAsync(
            lab,
            there,
            new ClientOptions
            {
                Identity = key.Path,
                BatchMode = false,
                Arguments = ["-o", "IdentitiesOnly=yes", "-o", "PreferredAuthentications=publickey"],
                Environment = KeyTests.AskPass(lab.Folder.WriteAskPass("askpass", "wrong")),
            },
            "");
    });

    [Fact]
    public Task Nobody_listens() => Lab.RunAsync(lab => Compare.CommandLinesAsync(
        lab, "Connection refused", "-F", "none", "-N", "-p", $"{Net.FreePort()}", "127.0.0.1"));

    [Fact]
    public Task Name_unknown() => Lab.RunAsync(lab => Compare.CommandLinesAsync(
        lab, "ssh: Could not resolve hostname no-such-host.invalid: ", "-F", "none", "-N", "no-such-host.invalid"));

    [Fact]
    public Task Silent_server() => Lab.RunAsync(async lab =>
    {
        await using Service silent = Service.Sink(lab.Deadline);
        await Compare.CommandLinesAsync(
            lab, "Connection timed out during banner exchange", "-F", "none", "-N", "-o", "ConnectTimeout=1", "-p", $"{silent.Port}", "127.0.0.1");
    });

    [Fact]
    public Task Server_that_hangs_up() => Lab.RunAsync(async lab =>
    {
        await using Service hangsUp = Service.Start((socket, _) => { socket.Shutdown(SocketShutdown.Both); return Task.CompletedTask; }, lab.Deadline);
        IReadOnlyList<string> arguments = ["-F", "none", "-N", "-p", $"{hangsUp.Port}", "127.0.0.1"];
        await Compare.CommandLinesAsync(lab, "kex_exchange_identification: ", [.. arguments]);
    });

    [Fact]
    public Task Proxy_command_that_ends() => Lab.RunAsync(async lab =>
    {
        // Not before it has the version line: ssh has other words for one that is gone when it writes.
        IReadOnlyList<string> arguments = ["-F", "none", "-N", "-o", "ProxyCommand=head -n 1 >/dev/null", "127.0.0.1"];
        await Compare.CommandLinesAsync(lab, "kex_exchange_identification: ", [.. arguments]);
        IReadOnlyList<string> program = Clients.Program(Peer.Adit);
        ProcessResult ours = await lab.RunAsync("client", program[0], [.. program.Skip(1), .. arguments]);
        Assert.Contains("ProxyCommand", ours.ErrorLines[^1], StringComparison.Ordinal); // not that a machine called UNKNOWN took a connection
    });

    [Fact]
    public Task Not_an_ssh_server() => Lab.RunAsync(async lab =>
    {
        await using Service web = Service.Start(
            async (socket, stop) =>
            {
                await Net.SendAllAsync(socket, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"u8.ToArray(), stop);
                await Net.ReceiveExactlyAsync(socket, new byte[20], stop); // its version line
                socket.Shutdown(SocketShutdown.Both);
            },
            lab.Deadline);
        await Compare.CommandLinesAsync(lab, "kex_exchange_identification: ", "-F", "none", "-N", "-p", $"{web.Port}", "127.0.0.1");
    });

    // INVARIANTS 28: what a peer sends reaches the terminal only escaped.
    [Fact]
    public Task Escape_sequences_from_a_server_do_not_reach_the_terminal() => Lab.RunAsync(async lab =>
    {
        await using Service rude = Service.Start(
            async (socket, stop) =>
            {
                await Net.SendAllAsync(socket, "\u001b]0;owned\u0007hello\r\nSSH-1.0-\u001b[31mred\r\n"u8.ToArray(), stop);
                await Net.ReceiveToEndAsync(socket, stop);
            },
            lab.Deadline);
        IReadOnlyList<string> program = Clients.Program(Peer.Adit);
        ProcessResult result = await lab.RunAsync(
            "client (Adit)", program[0], [.. program.Skip(1), "-F", "none", "-N", "-v", "-p", $"{rude.Port}", "127.0.0.1"]);
        Assert.Equal(255, result.ExitCode);
        Assert.DoesNotContain('\u001b', result.Errors);
        Assert.DoesNotContain('\u0007', result.Errors);
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Server_that_no_longer_answers(Peer client) => WithServer(async (lab, there) =>
    {
        await using Service echo = Service.Echo(lab.Deadline);
        await using Relay wire = Relay.To(there.Port, lab.Deadline);
        Client here = await lab.StartClientAsync(
            client,
            there,
            new ClientOptions
            {
                ConnectPort = wire.Port,
                Targets = [echo.Port],
                Arguments = ["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2"],
            });
        await Traffic.EchoAsync(here.Port, 100, lab.Deadline);
        wire.Silence();
        ProcessResult result = await here.Process.WaitForExitAsync(lab.Deadline);
        Assert.Equal(255, result.ExitCode);
        Assert.Equal("Timeout, server 127.0.0.1 not responding.", result.FirstErrorLine);
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Client_that_no_longer_answers(Peer server) => Lab.RunAsync(async lab =>
    {
        await using Service sink = Service.Sink(lab.Deadline);
        Server there = await lab.StartServerAsync(server, new ServerOptions { Lines = ["ClientAliveInterval 1", "ClientAliveCountMax 2"] });
        Client here = await lab.StartClientAsync(Peer.OpenSsh, there, new ClientOptions { Targets = [sink.Port] });
        using Socket socket = await Net.ConnectAsync(here.Port, lab.Deadline);
        await Net.SendAllAsync(socket, Payload.Take(100), lab.Deadline);
        await Net.WaitUntilAsync(() => sink.Open == 1, "the connection at the far end", TimeSpan.FromSeconds(10));
        here.Process.Signal(ManagedProcess.SigStop);
        string line = await there.Process.WaitForLineAsync("Timeout, client not responding from", lab.Deadline);
        Assert.StartsWith($"Timeout, client not responding from user {Machine.UserName} 127.0.0.1 port ", line, StringComparison.Ordinal);
        await Net.WaitUntilAsync(() => sink.Open == 0, "the end of the connection at the far end", TimeSpan.FromSeconds(10));
        here.Process.Signal(ManagedProcess.SigCont);
    });

    [Fact]
    public Task Wildcard_bind_listens_everywhere_and_localhost_on_both_loopbacks() => WithServer(async (lab, there) =>
    {
        await using Service echo = Service.Echo(lab.Deadline);
        foreach (Peer client in new[] { Peer.OpenSsh, Peer.Adit })
        {
            int everywhere = Net.FreePort(), loopback = Net.FreePort(), six = Net.FreePort();
            IReadOnlyList<string> command = await Clients.SshCommandAsync(
                lab,
                client,
                there,
                new ClientOptions(),
                [$"*:{everywhere}:127.0.0.1:{echo.Port}", $"{loopback}:127.0.0.1:{echo.Port}", $"[::1]:{six}:127.0.0.1:{echo.Port}"]);
            ManagedProcess process = lab.Start($"client ({client})", command[0], command.Skip(1));
            await Net.WaitForListenerAsync(process, six, lab.Deadline);
            foreach ((IPAddress address, int port, bool expected) in new[]
            {
                (IPAddress.Loopback, everywhere, true), (IPAddress.IPv6Loopback, everywhere, true), (IPAddress.Parse("127.0.0.2"), everywhere, true),
                (IPAddress.Loopback, loopback, true), (IPAddress.IPv6Loopback, loopback, true), (IPAddress.Parse("127.0.0.2"), loopback, false),
                (IPAddress.IPv6Loopback, six, true), (IPAddress.Loopback, six, false),
            })
            {
                using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                bool connected = true;
                try
                {
                    await socket.ConnectAsync(address, port, lab.Deadline);
                }
                catch (SocketException)
                {
                    connected = false;
                }

                Assert.True(connected == expected, $"{client}: {address} port {port} ({(port == everywhere ? "*" : port == six ? "[::1]" : "no address")}): {connected}");
            }
        }
    });

    private static Task WithServer(Func<Lab, Server, Task> test) => Lab.RunAsync(async lab => await test(lab, await lab.StartServerAsync(Peer.OpenSsh)));
}
