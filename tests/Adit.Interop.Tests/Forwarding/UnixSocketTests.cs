using System.Net.Sockets;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Forwarding;

/// <summary>Unix sockets at either end of -L and -R, with OpenSSH's programs and ours.</summary>
public sealed class UnixSocketTests
{
    private const UnixFileMode Everybody = (UnixFileMode)0b111_111_111;

    public static TheoryData<Peer, Peer> Pairs => PeerPairs.All;

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task Every_combination_carries_data(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        string target = lab.Folder["target"], asks = lab.Folder["asks"], near = lab.Folder["near"], toPort = lab.Folder["to-port"], far = lab.Folder["far"], farToPort = lab.Folder["far-to-port"];
        await using Service port = Service.Echo(lab.Deadline);
        await using Service path = Service.EchoAt(target, lab.Deadline);
        await using Service answers = Service.AnswerAfterEof(lab.Deadline, asks);
        int local = Net.FreePort(), remote = Net.FreePort(), asking = Net.FreePort();
        Server there = await lab.StartServerAsync(server);
        Client here = await StartAsync(
            lab, client, there, 3,
            "-L", $"127.0.0.1:{local}:{target}", "-L", $"{near}:{target}", "-L", $"{toPort}:127.0.0.1:{port.Port}", "-L", $"127.0.0.1:{asking}:{asks}",
            "-R", $"127.0.0.1:{remote}:{target}", "-R", $"{far}:{target}", "-R", $"{farToPort}:127.0.0.1:{port.Port}");
        foreach (int number in new[] { local, remote })
        {
            await Traffic.EchoAsync(number, 1_000_000, lab.Deadline);
        }

        foreach (string name in new[] { near, toPort, far, farToPort })
        {
            using Socket socket = await Net.ConnectAsync(name, lab.Deadline);
            await Traffic.EchoAsync(socket, 1_000_000, lab.Deadline);
        }

        await Traffic.AskAfterEofAsync(asking, lab.Deadline);
        Assert.False(here.Process.HasExited);
    });

    [Theory]
    [InlineData(Peer.Adit)]
    [InlineData(Peer.OpenSsh)]
    public Task Standard_input_and_output_reach_a_Unix_socket(Peer server) => Lab.RunAsync(async lab =>
    {
        string target = lab.Folder["target"], data = lab.Folder["data"];
        await using Service echo = Service.EchoAt(target, lab.Deadline);
        Server there = await lab.StartServerAsync(server);
        string config = await Route.WriteAsync(lab, [there]);
        await Route.ShellAsync(lab, $"head -c 5000000 /dev/urandom > {data}");
        string command = Route.Quote([Machine.Adit, .. Route.Arguments(config, there, "-W", target)]);
        Assert.Equal(await Route.ShellAsync(lab, $"sha256sum < {data}"), await Route.ShellAsync(lab, $"{command} < {data} | sha256sum"));

        ProcessResult refused = await lab.RunAsync("client", Machine.Adit, Route.Arguments(config, there, "-W", lab.Folder["missing"]));
        Assert.Equal(255, refused.ExitCode);
        Assert.Equal($"channel 0: open failed: connect failed: {(server == Peer.Adit ? "No such file or directory" : "open failed")}", refused.ErrorLines[0]);
        Assert.Equal("stdio forwarding failed", refused.ErrorLines[1]);
    });

    // INVARIANTS 25, and the words of OpenSSH's client.
    [Theory]
    [MemberData(nameof(Pairs))]
    public Task A_socket_left_behind_is_replaced_only_where_asked(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        await using Service echo = Service.Echo(lab.Deadline);
        string near = lab.Folder["near"], far = lab.Folder["far"];
        LeaveBehind(near);
        LeaveBehind(far);
        Server strict = await lab.StartServerAsync(server);
        ProcessResult local = await lab.RunSshAsync(client, strict, new ClientOptions(), $"{near}:127.0.0.1:{echo.Port}");
        Assert.Equal(255, local.ExitCode);
        Assert.Equal($"unix_listener: cannot bind to path {near}: Address already in use", local.ErrorLines[0]);
        Assert.Contains("Could not request local forwarding.", local.ErrorLines);
        ProcessResult remote = await lab.RunSshAsync(client, strict, new ClientOptions { Arguments = ["-R", $"{far}:127.0.0.1:{echo.Port}"] });
        Assert.Equal(255, remote.ExitCode);
        Assert.Contains($"Error: remote port forwarding failed for listen path {far}", remote.ErrorLines);
        if (client == Peer.Adit)
        {
            Assert.Contains("StreamLocalBindUnlink", local.Errors, StringComparison.Ordinal);
            Assert.Contains("StreamLocalBindUnlink", remote.Errors, StringComparison.Ordinal);
        }

        Server replacing = await lab.StartServerAsync(server, new ServerOptions { Lines = ["StreamLocalBindUnlink yes"] });
        await StartAsync(
            lab, client, replacing, 1, "-o", "StreamLocalBindUnlink=yes", "-L", $"{near}:127.0.0.1:{echo.Port}", "-R", $"{far}:127.0.0.1:{echo.Port}");
        foreach (string name in new[] { near, far })
        {
            using Socket socket = await Net.ConnectAsync(name, lab.Deadline);
            await Traffic.EchoAsync(socket, 1000, lab.Deadline);
        }
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task The_mask_is_the_files_mode_and_the_file_stays(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        foreach ((string mask, string mode) in new[] { ("0177", "600"), ("0111", "666"), ("0117", "660") })
        {
            string near = lab.Folder["near" + mask], far = lab.Folder["far" + mask];
            Server there = await lab.StartServerAsync(server, new ServerOptions { Lines = [$"StreamLocalBindMask {mask}"] });
            Client here = await StartAsync(lab, client, there, 1, "-o", $"StreamLocalBindMask={mask}", "-L", $"{near}:127.0.0.1:9", "-R", $"{far}:127.0.0.1:9");
            Assert.Equal($"{mode} {mode}", (await lab.MustAsync("/usr/bin/stat", "-c", "%a", near, far)).Trim().Replace('\n', ' '));
            here.Process.Signal(ManagedProcess.SigTerm);
            await here.Process.WaitForExitAsync(lab.Deadline);
            await Net.WaitUntilAsync(() => !Answers(near) && !Answers(far), "nobody listens any more", TimeSpan.FromSeconds(20));
            Assert.True(File.Exists(near) && File.Exists(far));
        }
    });

    // INVARIANTS 21, by OpenSSH's own way to cancel.
    [Theory]
    [InlineData(Peer.Adit)]
    [InlineData(Peer.OpenSsh)]
    public Task A_cancelled_socket_answers_no_more(Peer server) => Lab.RunAsync(async lab =>
    {
        await using Service echo = Service.Echo(lab.Deadline);
        string control = lab.Folder["control"], far = lab.Folder["far"];
        Server there = await lab.StartServerAsync(server, new ServerOptions { Lines = ["StreamLocalBindUnlink yes"] });
        await StartAsync(lab, Peer.OpenSsh, there, 1, "-M", "-S", control, "-R", $"{far}:127.0.0.1:{echo.Port}");
        using Socket open = await Net.ConnectAsync(far, lab.Deadline);
        await Traffic.EchoAsync(open, 1000, lab.Deadline);
        string[] cancel = ["-F", "none", "-S", control, "-O", "cancel", "-R", $"{far}:127.0.0.1:{echo.Port}", "x"];
        await lab.MustAsync(Machine.Tool("ssh"), cancel);
        await Net.WaitUntilAsync(() => !Answers(far), "nobody listens any more", TimeSpan.FromSeconds(10));
        Assert.True(File.Exists(far));
        await Traffic.EchoAsync(open, 1000, lab.Deadline);
        await lab.MustAsync(Machine.Tool("ssh"), [.. cancel.Select(word => word == "cancel" ? "forward" : word)]);
        using Socket again = await Net.ConnectAsync(far, lab.Deadline);
        await Traffic.EchoAsync(again, 1000, lab.Deadline);
    });

    // INVARIANTS 24
    [Theory]
    [InlineData("AllowStreamLocalForwarding no", false, false)]
    [InlineData("AllowStreamLocalForwarding local", true, false)]
    [InlineData("AllowStreamLocalForwarding remote", false, true)]
    [InlineData("AllowTcpForwarding no", false, false)]
    [InlineData("AllowTcpForwarding local", true, false)]
    [InlineData("DisableForwarding yes", false, false)]
    [InlineData("PermitOpen 127.0.0.1:9", false, true)]
    [InlineData("PermitListen none", true, true)]
    public Task Directives_permit_and_deny(string directive, bool direct, bool listen) => Lab.RunAsync(async lab =>
    {
        string target = lab.Folder["target"];
        await using Service echo = Service.EchoAt(target, lab.Deadline);
        foreach (Peer server in new[] { Peer.OpenSsh, Peer.Adit })
        {
            int port = Net.FreePort();
            string far = lab.Folder[$"far-{server}"];
            Server there = await lab.StartServerAsync(server, new ServerOptions { Lines = [directive] });
            Client here = await lab.StartClientAsync(Peer.Adit, there, new ClientOptions { Arguments = ["-o", "ExitOnForwardFailure=no", "-v", "-L", $"127.0.0.1:{port}:{target}", "-R", $"{far}:{target}"] });
            await here.Process.WaitForLineAsync(listen ? "remote forward success for: listen" : $"Warning: remote port forwarding failed for listen path {far}", lab.Deadline);
            Assert.Equal(listen, File.Exists(far));
            await Net.WaitForListenerAsync(here.Process, port, lab.Deadline);
            using Socket socket = await Net.ConnectAsync(port, lab.Deadline);
            if (direct)
            {
                await Traffic.EchoAsync(socket, 1000, lab.Deadline);
                continue;
            }

            await here.Process.WaitForLineAsync("open failed: connect failed: open failed", lab.Deadline); // the same code and words from both
            Assert.Empty(await Net.ReceiveToEndAsync(socket, lab.Deadline));
        }
    });

    // INVARIANTS 25: what OpenSSH's server may do for a user ours may do, and no more.
    [Theory]
    [MemberData(nameof(Pairs))]
    public Task Sockets_are_the_users_and_only_what_the_user_may_open(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        TemporaryUser alice = await TemporaryUser.GetAsync(), bob = await TemporaryUser.GetOtherAsync();
        Server there = await StartForUsersAsync(lab, server, alice, bob);
        File.SetUnixFileMode(lab.Folder.FullPath, Everybody);
        foreach (TemporaryUser user in new[] { alice, bob })
        {
            string bound = lab.Folder[user.Name];
            string[] mine = [Path.Combine(user.Home, "private", $"{Guid.NewGuid():N}"[..8]), bound];
            await lab.MustAsync("/usr/bin/install", "-d", "-m", "700", "-o", user.Name, "-g", user.Name, Path.GetDirectoryName(mine[0])!);
            await StartAsync(lab, client, there with { User = user.Name }, 2, ["-R", $"{mine[0]}:127.0.0.1:9", "-R", $"{mine[1]}:127.0.0.1:9"]);
            Assert.All(
                (await lab.MustAsync("/usr/bin/stat", ["-c", "%U %G %a %F", .. mine])).Trim().Split('\n'),
                line => Assert.Equal($"{user.Name} {user.Name} 600 socket", line));
        }

        // Bob's folder is 0700: nothing in it can be reached or made by alice.
        string hers = Path.Combine(bob.Home, "private", "service");
        await using (Service echo = Service.EchoAt(hers, lab.Deadline))
        {
            File.SetUnixFileMode(hers, (UnixFileMode)0b110_110_110);
            int port = Net.FreePort();
            Client denied = await lab.StartClientAsync(client, there with { User = alice.Name }, new ClientOptions { Arguments = ["-v", "-L", $"127.0.0.1:{port}:{hers}"] });
            await Net.WaitForListenerAsync(denied.Process, port, lab.Deadline);
            using (Socket socket = await Net.ConnectAsync(port, lab.Deadline))
            {
                Assert.Empty(await Net.ReceiveToEndAsync(socket, lab.Deadline));
            }

            await denied.Process.WaitForLineAsync($"open failed: connect failed: {(server == Peer.Adit ? "Permission denied" : "open failed")}", lab.Deadline);
            int allowed = Net.FreePort();
            Client may = await lab.StartClientAsync(client, there with { User = bob.Name }, new ClientOptions { Arguments = ["-L", $"127.0.0.1:{allowed}:{hers}"] });
            await Net.WaitForListenerAsync(may.Process, allowed, lab.Deadline);
            await Traffic.EchoAsync(allowed, 1000, lab.Deadline);
        }

        string another = Path.Combine(bob.Home, "private", "another");
        ProcessResult refused = await lab.RunSshAsync(client, there, new ClientOptions { User = alice.Name, Arguments = ["-R", $"{another}:127.0.0.1:9"] });
        Assert.Equal(255, refused.ExitCode);
        Assert.Contains($"Error: remote port forwarding failed for listen path {another}", refused.ErrorLines);
        Assert.False(File.Exists(another));
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task A_supplementary_group_opens_what_is_the_groups(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        TemporaryUser alice = await TemporaryUser.GetAsync(), bob = await TemporaryUser.GetOtherAsync();
        // A group that bob is in besides his own, and alice is not.
        await lab.MustAsync(Machine.Tool("usermod"), "-a", "-G", "games", bob.Name);
        string folder = lab.Folder["shared"], target = Path.Combine(folder, "socket");
        Directory.CreateDirectory(folder);
        await using Service echo = Service.EchoAt(target, lab.Deadline);
        File.SetUnixFileMode(target, (UnixFileMode)0b110_110_110);
        await lab.MustAsync("/bin/chown", "root:games", folder);
        File.SetUnixFileMode(folder, (UnixFileMode)0b111_101_000);
        Server there = await StartForUsersAsync(lab, server, alice, bob);
        File.SetUnixFileMode(lab.Folder.FullPath, (UnixFileMode)0b111_101_101);
        foreach (TemporaryUser user in new[] { bob, alice })
        {
            int port = Net.FreePort();
            Client here = await lab.StartClientAsync(client, there with { User = user.Name }, new ClientOptions { Arguments = ["-L", $"127.0.0.1:{port}:{target}"] });
            await Net.WaitForListenerAsync(here.Process, port, lab.Deadline);
            using Socket socket = await Net.ConnectAsync(port, lab.Deadline);
            if (user == bob)
            {
                await Traffic.EchoAsync(socket, 1000, lab.Deadline);
            }
            else
            {
                Assert.Empty(await Net.ReceiveToEndAsync(socket, lab.Deadline));
            }
        }
    });

    // What SO_PEERCRED is for: PostgreSQL lets those in whom the kernel names.
    [Theory]
    [MemberData(nameof(Pairs))]
    public Task PostgreSQL_knows_the_user_by_peer_authentication(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        Need.Tools("psql");
        TemporaryUser alice = await TemporaryUser.GetAsync(), bob = await TemporaryUser.GetOtherAsync();
        string sockets = lab.Folder["sockets"], near = lab.Folder["near"];
        Directory.CreateDirectory(sockets);
        Directory.CreateDirectory(near);
        File.SetUnixFileMode(sockets, Everybody);
        int database = await lab.StartPostgresAsync(sockets);
        File.SetUnixFileMode(lab.Folder.FullPath, (UnixFileMode)0b111_101_101);
        string psql = Machine.Tool("psql"), file = $".s.PGSQL.{database}";
        await lab.MustAsync(psql, "-h", "127.0.0.1", "-p", Daemons.Text(database), "-U", "postgres", "-d", "postgres", "-c", $"create role \"{alice.Name}\" login");
        Server there = await StartForUsersAsync(lab, server, alice, bob);

        string path = Path.Combine(near, file);
        Client here = await lab.StartClientAsync(client, there with { User = alice.Name }, new ClientOptions { Arguments = ["-L", $"{path}:{Path.Combine(sockets, file)}"] });
        await Net.WaitUntilAsync(() => here.Process.HasExited || File.Exists(path), "the forward is up", TimeSpan.FromSeconds(30));
        string[] query = [psql, "-h", near, "-p", Daemons.Text(database), "-d", "postgres", "-Atc", "select current_user, count(*) from generate_series(1, 100000)"];
        Assert.Equal($"{alice.Name}|100000", (await lab.MustAsync(query[0], [.. query[1..], "-U", alice.Name])).Trim());
        ProcessResult posing = await lab.RunAsync("psql", query[0], [.. query[1..], "-U", "postgres"]);
        Assert.Contains("Peer authentication failed for user \"postgres\"", posing.Errors, StringComparison.Ordinal);
    });

    /// <summary>Starts a client and waits until the server has granted its -R and its own sockets are there.</summary>
    private static async Task<Client> StartAsync(Lab lab, Peer kind, Server server, int remote, params string[] arguments)
    {
        Client client = await lab.StartClientAsync(kind, server, new ClientOptions { User = server.User, Arguments = ["-v", .. arguments] });
        await Net.WaitUntilAsync(
            () => client.Process.HasExited || client.Process.CountLines("remote forward success for: listen") == remote, $"{remote} remote forwards are up", TimeSpan.FromSeconds(45));
        Assert.False(client.Process.HasExited, "the client ended");
        return client;
    }

    /// <summary>A server where both may log in with the shared key.</summary>
    private static async Task<Server> StartForUsersAsync(Lab lab, Peer kind, params TemporaryUser[] users)
    {
        foreach (TemporaryUser user in users)
        {
            await user.AuthorizeAsync(await Keys.UserAsync());
        }

        return await lab.StartServerAsync(kind, new ServerOptions { Lines = ["AuthorizedKeysFile .ssh/authorized_keys", "StreamLocalBindUnlink yes"] });
    }

    private static bool Answers(string path)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>A socket file whose program has gone.</summary>
    private static void LeaveBehind(string path)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path + "~"));
        File.Move(path + "~", path); // .NET removes it under the old name
    }
}
