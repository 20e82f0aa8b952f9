using System.Globalization;

namespace Adit.Interop.Tests.Harness;

/// <summary>Machines of a test's own: network namespaces, each with its loopback, its addresses and its own /etc/hosts.</summary>
internal sealed class Namespaces : IAsyncDisposable
{
    private static int s_next;

    private readonly string _suffix = string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}-{Interlocked.Increment(ref s_next)}");
    private readonly string _ip = Machine.Tool("ip");
    private readonly Lab _lab;
    private readonly IReadOnlyList<string> _names;

    private Namespaces(Lab lab, IReadOnlyList<string> names) => (_lab, _names) = (lab, names);

    /// <summary>They live as long as <paramref name="lab"/>.</summary>
    public static async Task<Namespaces> CreateAsync(Lab lab, params string[] names)
    {
        Need.Root();
        var net = lab.Own(new Namespaces(lab, names));
        foreach (string name in names)
        {
            ProcessResult allowed = await lab.RunAsync("ip", net._ip, ["netns", "add", net.FullName(name)]);
            Need.That(allowed.ExitCode == 0, "network namespaces");
            await net.IpAsync("-n", net.FullName(name), "link", "set", "lo", "up");
        }

        return net;
    }

    /// <summary>The words to run a program with.</summary>
    public IReadOnlyList<string> In(string name) => [_ip, "netns", "exec", FullName(name)];

    public Task<ProcessResult> RunAsync(string name, string program, params string[] arguments)
    {
        string[] command = [.. In(name), Machine.Tool(program), .. arguments];
        return _lab.RunAsync(program, command[0], command[1..]);
    }

    /// <summary>A cable between two of them, with an IPv4 address (and the length of its prefix) at either end.</summary>
    public async Task LinkAsync(string one, string oneAddress, string two, string twoAddress)
    {
        // Both ends are born inside their namespaces, under names that nothing outside can collide with.
        await IpAsync("-n", FullName(one), "link", "add", "to-" + two, "type", "veth", "peer", "name", "to-" + one, "netns", FullName(two));
        foreach ((string name, string peer, string address) in new[] { (one, two, oneAddress), (two, one, twoAddress) })
        {
            await IpAsync("-n", FullName(name), "address", "add", address, "dev", "to-" + peer);
            // Without an address of the kernel's own, which comes a second later: browsers take that for a change of the network and load nothing while it happens.
            await IpAsync("-n", FullName(name), "link", "set", "to-" + peer, "addrgenmode", "none");
            await IpAsync("-n", FullName(name), "link", "set", "to-" + peer, "up");
        }
    }

    /// <summary>An address of its own that no cable leads to.</summary>
    public Task AddAddressAsync(string name, string address) =>
        IpAsync(["-n", FullName(name), "address", "add", address, "dev", "lo", .. address.Contains(':') ? ["nodad"] : Array.Empty<string>()]); // usable at once

    /// <summary>Connecting to <paramref name="prefix"/> fails at once, with "No route to host".</summary>
    public Task MakeUnreachableAsync(string name, string prefix) => IpAsync("-n", FullName(name), "route", "add", "unreachable", prefix);

    /// <summary>The only names known there besides localhost: lines of /etc/hosts. No name service is asked.</summary>
    public void Name(string name, params string[] lines)
    {
        // ip netns exec puts what lies here over /etc.
        Directory.CreateDirectory(Etc(name));
        File.WriteAllLines(Path.Combine(Etc(name), "hosts"), ["127.0.0.1 localhost", "::1 localhost", .. lines]);
        File.WriteAllText(Path.Combine(Etc(name), "nsswitch.conf"), "hosts: files\n");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (string name in _names)
        {
            await ManagedProcess.RunAsync("ip", _ip, ["netns", "delete", FullName(name)], TimeSpan.FromSeconds(10));
            if (Directory.Exists(Etc(name)))
            {
                Directory.Delete(Etc(name), recursive: true);
            }
        }
    }

    private string FullName(string name) => $"adit-{name}-{_suffix}";

    private string Etc(string name) => Path.Combine("/etc/netns", FullName(name));

    private Task IpAsync(params string[] arguments) => _lab.MustAsync(_ip, arguments);
}
