using System.Globalization;
using System.Text.RegularExpressions;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Remote;

/// <summary>Which addresses -L, -D and -R listen on, as the kernel tells it: OpenSSH's rules, on a machine with addresses and names of its own. Where both ends
/// are OpenSSH's the rows show that they are true. INVARIANTS 21 and 24: what is reported bound is bound, and nothing widens it.</summary>
public sealed partial class BindAddressTests
{
    private const string Loopback = "127.0.0.1 [::1]";
    private const string All = "0.0.0.0 [::]";
    private const string Own = "10.77.9.1";
    private const string Both = "10.77.9.1 [fd77:9::1]";
    private const string Nothing = "";

    /// <summary>Asked for with -R, and what a server with GatewayPorts no, yes and clientspecified binds.</summary>
    private static readonly (string Bind, string No, string Yes, string Specified)[] RemoteTable =
    [
        ("", Loopback, All, Loopback), // the client says "localhost"
        ("localhost:", Loopback, All, Loopback),
        ("127.0.0.1:", "127.0.0.1", All, "127.0.0.1"),
        ("[::1]:", "[::1]", All, "[::1]"),
        (":", Loopback, All, All),
        ("*:", Loopback, All, All),
        ("0.0.0.0:", Loopback, All, "0.0.0.0"),
        ("[::]:", Loopback, All, "[::]"),
        ("127.0.0.2:", Loopback, All, "127.0.0.2"),
        ("10.77.9.1:", Loopback, All, Own),
        ("[fd77:9::1]:", Loopback, All, "[fd77:9::1]"),
        ("one.test:", Loopback, All, Own),
        ("both.test:", Loopback, All, Both),
        ("192.0.2.1:", Loopback, All, Nothing), // nobody's here, which only shows when it is bound
        ("nobody.test:", Loopback, All, Nothing),
    ];

    /// <summary>Asked for with -L or -D, and what the client binds without and with GatewayPorts.</summary>
    private static readonly (string Bind, string No, string Yes)[] LocalTable =
    [
        ("", Loopback, All), // the only row that GatewayPorts changes
        ("localhost:", Loopback, Loopback),
        ("127.0.0.1:", "127.0.0.1", "127.0.0.1"),
        ("[::1]:", "[::1]", "[::1]"),
        (":", All, All),
        ("*:", All, All),
        ("0.0.0.0:", "0.0.0.0", "0.0.0.0"),
        ("[::]:", "[::]", "[::]"),
        ("127.0.0.2:", "127.0.0.2", "127.0.0.2"),
        ("10.77.9.1:", Own, Own),
        ("[fd77:9::1]:", "[fd77:9::1]", "[fd77:9::1]"),
        ("one.test:", Own, Own),
        ("both.test:", Both, Both),
    ];

    private static readonly Peer[] Programs = [Peer.OpenSsh, Peer.Adit];

    [Theory]
    [InlineData("no")]
    [InlineData("yes")]
    [InlineData("clientspecified")]
    public Task A_server_binds_what_its_GatewayPorts_allows(string gatewayPorts) => Lab.RunAsync(async lab =>
    {
        Namespaces net = await CreateMachineAsync(lab);
        Server[] servers = await Task.WhenAll(Programs.Select(kind =>
            lab.StartServerAsync(kind, new ServerOptions { Lines = [$"GatewayPorts {gatewayPorts}", "MaxStartups 100"], Prefix = net.In("machine") })));
        string[] expected = [.. RemoteTable.Select(row => gatewayPorts switch { "no" => row.No, "yes" => row.Yes, _ => row.Specified })];
        var runs = await Task.WhenAll(
            from server in servers
            from client in Programs
            select StartRemoteAsync(lab, net, client, server));

        string listening = (await net.RunAsync("machine", "ss", "-Hltn")).Output;
        foreach ((Server server, Client client, int[] ports) in runs)
        {
            string pair = $"{client.Kind} to {server.Kind}: ";
            Assert.Equal(
                RemoteTable.Zip(expected, (row, addresses) => $"{pair}{row.Bind} {addresses}"),
                RemoteTable.Zip(ports, (row, port) => $"{pair}{row.Bind} {Bound(listening, port)}"));

            // Port 0 on all families is one port.
            string line = await client.Process.WaitForLineAsync("Allocated port ", lab.Deadline);
            int allocated = int.Parse(AllocatedPort().Match(line).Groups[1].Value, CultureInfo.InvariantCulture);
            Assert.Equal(gatewayPorts == "no" ? Loopback : All, Bound(listening, allocated));

            string[] sent = [.. RemoteTable.Select(row => row.Bind.TrimEnd(':').Trim('[', ']')).Select(host => host is "" or "*" ? "" : host)];
            sent[0] = "localhost";
            string[] overridden = [.. client.Process.Errors.Split('\n').Select(text => Overridden().Match(text)).Where(match => match.Success).Select(match => match.Groups[1].Value)];
            Assert.Equal(gatewayPorts == "yes" ? sent.Where(host => host is not ("" or "0.0.0.0")) : [], overridden);

            // A server that binds less than was asked for and calls it success is the trap; ours says so, and of others our client says what it may be.
            int others = sent.Skip(1).Count(host => host is not ("localhost" or "127.0.0.1" or "::1")) + 1;
            int refused = expected.Count(addresses => addresses.Length == 0);
            if (server.Kind == Peer.Adit)
            {
                Assert.Equal(gatewayPorts == "no" ? others : 0, client.Process.CountLines("narrowed to loopback by server GatewayPorts no: listening on 127.0.0.1:"));
            }
            else if (client.Kind == Peer.Adit)
            {
                Assert.Equal(others - refused, client.Process.CountLines("may listen on its loopback addresses only"));
            }
        }
    });

    [Fact]
    public Task A_client_binds_what_was_asked_for_and_GatewayPorts_is_about_the_rest() => Lab.RunAsync(async lab =>
    {
        Namespaces net = await CreateMachineAsync(lab);
        Server server = await lab.StartServerAsync(Peer.OpenSsh, new ServerOptions { Lines = ["MaxStartups 100"], Prefix = net.In("machine") });
        (string[] Options, bool Yes)[] modes =
        [
            ([], false), (["-o", "GatewayPorts=no"], false), (["-g"], true), (["-o", "GatewayPorts=yes"], true), (["-o", "GatewayPorts=no", "-g"], true), (["-g", "-o", "GatewayPorts=no"], true),
        ];
        var runs = await Task.WhenAll(
            from kind in Programs
            from mode in modes
            select StartLocalAsync(lab, net, kind, server, mode.Options, mode.Yes));

        string listening = (await net.RunAsync("machine", "ss", "-Hltn")).Output;
        foreach ((string name, bool yes, int[] ports) in runs)
        {
            var rows = LocalTable.Concat(LocalTable).ToArray(); // -L, then -D
            Assert.Equal(
                rows.Select(row => $"{name}: {row.Bind} {(yes ? row.Yes : row.No)}"),
                rows.Zip(ports, (row, port) => $"{name}: {row.Bind} {Bound(listening, port)}"));
        }
    });

    private static async Task<Namespaces> CreateMachineAsync(Lab lab)
    {
        Need.Tools("ip", "ss");
        Namespaces net = await Namespaces.CreateAsync(lab, "machine");
        await net.AddAddressAsync("machine", "10.77.9.1/32");
        await net.AddAddressAsync("machine", "fd77:9::1/128");
        net.Name("machine", "10.77.9.1 one.test both.test", "fd77:9::1 both.test");
        return net;
    }

    /// <summary>All rows in one connection, and a port 0; returns when each has its answer.</summary>
    private static async Task<(Server Server, Client Client, int[] Ports)> StartRemoteAsync(Lab lab, Namespaces net, Peer kind, Server server)
    {
        int[] ports = [.. RemoteTable.Select(_ => Net.FreePort())];
        string[] forwards = [.. RemoteTable.Zip(ports, (row, port) => $"{row.Bind}{port}:127.0.0.1:9"), "*:0:127.0.0.1:9"];
        Client client = await lab.StartClientAsync(kind, server, new ClientOptions
        {
            Prefix = net.In("machine"),
            Arguments = ["-v", "-o", "ExitOnForwardFailure=no", .. forwards.SelectMany(forward => new[] { "-R", forward })],
        });
        await Net.WaitUntilAsync(
            () => client.Process.HasExited
                || client.Process.CountLines("remote forward success for: listen") + client.Process.CountLines("Warning: remote port forwarding failed for listen port") == forwards.Length,
            $"{forwards.Length} answers", TimeSpan.FromSeconds(45));
        Assert.False(client.Process.HasExited, "the client ended");
        return (server, client, ports);
    }

    private static async Task<(string Name, bool Yes, int[] Ports)> StartLocalAsync(Lab lab, Namespaces net, Peer kind, Server server, string[] options, bool yes)
    {
        int[] ports = [.. LocalTable.Concat(LocalTable).Select(_ => Net.FreePort())];
        IEnumerable<string> local = LocalTable.Zip(ports, (row, port) => $"{row.Bind}{port}:127.0.0.1:9").SelectMany(forward => new[] { "-L", forward });
        IEnumerable<string> dynamic = LocalTable.Zip(ports.Skip(LocalTable.Length), (row, port) => $"{row.Bind}{port}").SelectMany(forward => new[] { "-D", forward });
        Client client = await lab.StartClientAsync(kind, server, new ClientOptions { Prefix = net.In("machine"), Arguments = [.. options, .. local, .. dynamic] });
        foreach (int port in ports)
        {
            await Net.WaitForListenerAsync(client.Process, port, lab.Deadline);
        }

        return ($"{kind} {string.Join(' ', options)}", yes, ports);
    }

    /// <summary>The addresses that a port is listened on, IPv4 first.</summary>
    private static string Bound(string listening, int port) => string.Join(' ', listening.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3])
        .Where(address => address.EndsWith(":" + port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal))
        .Select(address => address[..address.LastIndexOf(':')])
        .Order(StringComparer.Ordinal));

    [GeneratedRegex("^Allocated port ([0-9]+) for remote forward to ")]
    private static partial Regex AllocatedPort();

    [GeneratedRegex("Forwarding listen address \"(.*)\" overridden by server GatewayPorts")]
    private static partial Regex Overridden();
}
