using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Forwarding;

/// <summary>Two machines with a SOCKS proxy between them. At the near one are the programs, at the far one what they want to reach: a web server on addresses that
/// nothing leads to from the near one, with names that it cannot resolve. With -D the client is at the near end, with -R at the far one.</summary>
internal sealed class FarEnd
{
    public const string Name = "intranet.test";
    public const string Address = "10.77.3.1";
    public const string Name6 = "six.test";
    public const string Address6 = "fd77:3::1";

    /// <summary>The far end has a route that says no.</summary>
    public const string UnreachableHost = "10.77.8.1";

    /// <summary>The far end has no route.</summary>
    public const string UnreachableNetwork = "192.0.2.1";

    private readonly Namespaces _net;

    private FarEnd(Namespaces net, int web, int socks) => (_net, Web, Socks) = (net, web, socks);

    /// <summary>The web server's port.</summary>
    public int Web { get; }

    /// <summary>The proxy's port on 127.0.0.1 of the near machine.</summary>
    public int Socks { get; }

    /// <summary>Words to run a program with at the far end.</summary>
    public IReadOnlyList<string> Prefix => _net.In("far");

    /// <param name="way">-D or -R: on which side the client is.</param>
    /// <param name="www">What the web server serves.</param>
    public static async Task<FarEnd> CreateAsync(Lab lab, string way, Peer client, Peer server, string www)
    {
        Need.Tools("ip", "nginx", "curl");
        Namespaces net = await Namespaces.CreateAsync(lab, "near", "far");
        await net.LinkAsync("near", "10.77.1.1/24", "far", "10.77.1.2/24");
        await net.AddAddressAsync("far", Address + "/32");
        await net.AddAddressAsync("far", Address6 + "/128");
        await net.MakeUnreachableAsync("far", "10.77.8.0/24");
        net.Name("near");
        net.Name("far", $"{Address} {Name}", $"{Address6} {Name6}");
        int web = await lab.StartNginxAsync(www, $"{Address} [{Address6}]", net.In("far"));

        int socks = Net.FreePort();
        (string of, string to, string host) = way == "-D" ? ("near", "far", "10.77.1.2") : ("far", "near", "10.77.1.1");
        Server there = await lab.StartServerAsync(server, new ServerOptions { ListenAddress = host, Prefix = net.In(to) }) with { Host = host };
        Client here = await lab.StartClientAsync(client, there, new ClientOptions { Prefix = net.In(of), Arguments = [way, $"127.0.0.1:{socks}"] });
        await Net.WaitForListenerAsync(way == "-D" ? here.Process : there.Process, socks, lab.Deadline);

        var end = new FarEnd(net, web, socks);
        foreach (string name in new[] { Name, Address, $"[{Address6}]" })
        {
            ProcessResult direct = await end.NearAsync("curl", "-sS", "--max-time", "10", $"http://{name}:{web}/");
            Assert.Contains(direct.ExitCode, new[] { 6, 7 }); // not resolved, not connected: otherwise nothing below shows anything
        }

        return end;
    }

    /// <summary>Runs a program at the near end.</summary>
    public Task<ProcessResult> NearAsync(string program, params string[] arguments) => _net.RunAsync("near", program, arguments);

    public async Task<string> MustNearAsync(string program, params string[] arguments)
    {
        ProcessResult result = await NearAsync(program, arguments);
        Assert.True(result.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {result}");
        return result.Output;
    }
}
