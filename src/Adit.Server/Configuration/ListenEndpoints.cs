using System.Net;
using System.Net.Sockets;
using Adit.Ssh;
using Adit.Ssh.Wire;

namespace Adit.Server.Configuration;

/// <summary>The sockets' addresses that Port, ListenAddress and AddressFamily add up to.</summary>
public static class ListenEndpoints
{
    /// <summary>Every address with every port, without repetitions. Names are looked up. Throws <see cref="SshException"/> (<see cref="SshError.Configuration"/>)
    /// for a name or address that cannot be used.</summary>
    public static IReadOnlyList<IPEndPoint> Of(SshdConfig config)
    {
        var family = config.Get(SshdKeywords.AddressFamily);
        var ports = config.Get(SshdKeywords.Port);
        var addresses = config.Get(SshdKeywords.ListenAddress);
        var endpoints = new List<IPEndPoint>();
        if (addresses.Count == 0)
        {
            foreach (var port in ports)
            {
                Add(IPAddress.Any, port);
                Add(IPAddress.IPv6Any, port);
            }

            return endpoints;
        }

        foreach (var address in addresses)
        {
            var resolved = Resolve(address.Host, family);
            foreach (var port in address.Port is { } own ? [own] : ports)
            {
                foreach (var one in resolved)
                {
                    Add(one, port);
                }
            }
        }

        return endpoints;

        void Add(IPAddress address, int port)
        {
            var endpoint = new IPEndPoint(address, port);
            if (family.Includes(address.AddressFamily) && (address.AddressFamily == AddressFamily.InterNetwork || Socket.OSSupportsIPv6) && !endpoints.Contains(endpoint))
            {
                endpoints.Add(endpoint);
            }
        }
    }

    private static IPAddress[] Resolve(string host, AddressFamily family)
    {
        string reason;
        try
        {
            // "0" and "127.1" are addresses to IPAddress.Parse, and to getaddrinfo(3) as well.
            IPAddress[] found = host == "*" ? [IPAddress.Any, IPAddress.IPv6Any] // as getaddrinfo(3)
                : host.Length == 0 ? throw new SocketException((int)SocketError.HostNotFound) // which .NET takes for this machine
                : IPAddress.TryParse(host, out var literal) ? [literal]
                : Dns.GetHostAddresses(host, AddressFamily.Unspecified);
            var usable = found.Where(address => family.Includes(address.AddressFamily)).ToArray();
            if (usable.Length > 0)
            {
                return usable;
            }

            reason = "Address family for hostname not supported";
        }
        catch (Exception error) when (error is SocketException or ArgumentException)
        {
            reason = error.Message;
        }

        throw new SshException(SshError.Configuration, $"bad addr or host: {PeerText.Escape(host, 200)} ({reason})")
        {
            Hint = "A ListenAddress is an address of this machine, or a name for one, with :port behind it or not; an IPv6 address with a port goes in brackets.",
        };
    }
}
