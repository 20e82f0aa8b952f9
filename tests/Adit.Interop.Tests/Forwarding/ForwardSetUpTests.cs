using System.Globalization;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Forwarding;

/// <summary>Which forwards come up and where they listen, beside OpenSSH's client.</summary>
public sealed class ForwardSetUpTests
{
    private const string Loopback = "127.0.0.1 [::1]";
    private const string All = "0.0.0.0 [::]";

    // INVARIANTS 24: what is written with a bind address is what is bound; what is not is loopback, unless -g says otherwise.
    [Theory]
    [InlineData(Peer.OpenSsh, "")]
    [InlineData(Peer.OpenSsh, "-g")]
    [InlineData(Peer.Adit, "")]
    [InlineData(Peer.Adit, "-g")]
    [InlineData(Peer.Adit, "-oGatewayPorts=yes")]
    public Task Local_forwards_bind_what_is_written(Peer client, string option) => Lab.RunAsync(async lab =>
    {
        Need.Tools("ss");
        (string Bind, string Bound)[] table =
        [
            ("", option.Length == 0 ? Loopback : All),
            ("localhost:", Loopback),
            ("127.0.0.1:", "127.0.0.1"),
            ("[::1]:", "[::1]"),
            (":", All),
            ("*:", All),
            ("0.0.0.0:", "0.0.0.0"),
            ("[::]:", "[::]"),
            ("127.0.0.2:", "127.0.0.2"),
        ];
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        var forwards = table.SelectMany(row => new[] { (Flag: "-L", row), (Flag: "-D", row) }).Select(forward => (forward.Flag, forward.row.Bind, forward.row.Bound, Port: Net.FreePort())).ToArray();
        Client here = await lab.StartClientAsync(client, there, new ClientOptions
        {
            Arguments =
            [
                .. option.Length == 0 ? Array.Empty<string>() : [option],
                .. forwards.SelectMany(forward => new[] { forward.Flag, $"{forward.Bind}{forward.Port}{(forward.Flag == "-L" ? ":127.0.0.1:9" : "")}" }),
            ],
        });
        foreach (var forward in forwards)
        {
            await Net.WaitForListenerAsync(here.Process, forward.Port, lab.Deadline);
        }

        string listening = await lab.MustAsync(Machine.Tool("ss"), "-Hltn");
        Assert.Equal(
            forwards.Select(forward => $"{forward.Flag} {forward.Bind} {forward.Bound}"),
            forwards.Select(forward => $"{forward.Flag} {forward.Bind} {string.Join(' ', Bound(listening, forward.Port))}"));
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task ClearAllForwardings_clears_the_command_lines_too(Peer client) => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        int[] ports = [Net.FreePort(), Net.FreePort(), Net.FreePort()];
        Client here = await lab.StartClientAsync(client, there, new ClientOptions
        {
            Arguments = ["-v", "-o", "ClearAllForwardings=yes", "-L", $"{ports[0]}:127.0.0.1:9", "-D", $"{ports[1]}", "-R", $"{ports[2]}:127.0.0.1:9"],
        });
        await here.Process.WaitForLineAsync("Authenticated to ", lab.Deadline);
        await Net.WaitUntilAsync(() => there.Process.CountLines("Accepted publickey") > 0, "the login", TimeSpan.FromSeconds(20));
        Assert.All(ports, port => Assert.False(Net.IsListening(port)));
        Assert.False(here.Process.HasExited);
    });

    // -W brings ClearAllForwardings and ExitOnForwardFailure with it, which explicit options overrule.
    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Standard_input_alone_is_forwarded_unless_that_is_overruled(Peer client) => Lab.RunAsync(async lab =>
    {
        await using Service waits = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        string config = await Route.WriteAsync(lab, [there]);
        string program = string.Join(' ', Clients.Program(client));
        string Line(params string[] more) => $"echo hello | {program} {Route.Quote(["-F", config, "-p", Daemons.Text(there.Port), "-W", $"127.0.0.1:{waits.Port}", .. more, $"{there.User}@127.0.0.1"])} 2>&1";
        Assert.Equal("hello\n", await Route.ShellAsync(lab, Line("-L", $"127.0.0.1:{waits.Port}:127.0.0.1:9"))); // the taken port is not even tried
        ProcessResult failed = await lab.RunAsync("sh", "/bin/sh", ["-c", Line("-o", "ClearAllForwardings=no", "-L", $"127.0.0.1:{waits.Port}:127.0.0.1:9")]);
        Assert.Equal(255, failed.ExitCode);
        Assert.Contains($"bind [127.0.0.1]:{waits.Port}: Address already in use", failed.Output, StringComparison.Ordinal);
    });

    [Fact]
    public Task The_configuration_has_forwards_with_variables_and_tokens() => Lab.RunAsync(async lab =>
    {
        await using Service echo = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        int local = Net.FreePort(), remote = Net.FreePort(), dynamic = Net.FreePort();
        string config = await Route.WriteAsync(lab, [there], $$"""
            LocalForward ${BIND}:{{local}} 127.0.0.1:${TARGET}
            LocalForward {{lab.Folder.FullPath}}/%r-%p%%.sock 127.0.0.1:${TARGET}
            RemoteForward 127.0.0.1:{{remote}} ${BIND}:${TARGET}
            DynamicForward ${BIND}:{{dynamic}}
            """);
        ManagedProcess client = lab.Start("client", Machine.Adit, Route.Arguments(config, there, "-N"),
            new Dictionary<string, string?> { ["BIND"] = "127.0.0.1", ["TARGET"] = Daemons.Text(echo.Port) });
        foreach (int port in new[] { local, dynamic })
        {
            await Net.WaitForListenerAsync(client, port, lab.Deadline);
        }

        await Net.WaitForListenerAsync(there.Process, remote, lab.Deadline);
        await Traffic.EchoAsync(local, 1000, lab.Deadline);
        await Traffic.EchoAsync(remote, 1000, lab.Deadline);
        Assert.True(File.Exists(lab.Folder[$"{there.User}-{there.Port}%.sock"]));

        ProcessResult unset = await lab.RunAsync("client", Machine.Adit, Route.Arguments(config, there, "-N"));
        Assert.Equal(255, unset.ExitCode);
        Assert.Contains("BIND", unset.FirstErrorLine, StringComparison.Ordinal);
    });

    // A machine that can only be reached from inside asks for a port at a bastion; whoever comes through that has tunnels of its own.
    [Theory]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    public Task A_local_forward_through_a_remote_forward(Peer bastionKind, Peer insideKind) => Lab.RunAsync(async lab =>
    {
        const long Length = 8L * Payload.MiB;
        await using Service service = Service.Exchange(Length, lab.Deadline);
        Server bastion = await lab.StartServerAsync(bastionKind), inside = await lab.StartServerAsync(insideKind);
        int door = Net.FreePort();
        await lab.StartClientAsync(Peer.Adit, bastion, new ClientOptions { Arguments = ["-R", $"127.0.0.1:{door}:127.0.0.1:{inside.Port}"] });
        await Net.WaitForListenerAsync(bastion.Process, door, lab.Deadline);
        Client client = await lab.StartClientAsync(Peer.Adit, inside, new ClientOptions
        {
            ConnectPort = door,
            KnownHosts = inside.KnownHosts(door),
            Targets = [service.Port],
        });
        await Traffic.ExchangeAsync(client.Port, Length, lab.Deadline);
        await service.CompleteAsync(lab.Deadline);
    });

    private static IEnumerable<string> Bound(string listening, int port) => listening.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3])
        .Where(address => address.EndsWith(":" + port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal))
        .Select(address => address[..address.LastIndexOf(':')])
        .Order(StringComparer.Ordinal);
}
