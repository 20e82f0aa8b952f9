using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;

namespace Adit.Ssh;

/// <summary>Short ways to fill in <see cref="SshServerOptions"/>.</summary>
public static class SshServerOptionsExtensions
{
    /// <summary>Listens on an address: "0.0.0.0:2222", "[::1]:2222"; "localhost:2222" is both loopbacks, "*:2222" every address of both families. Port 0 takes a free
    /// one. Throws <see cref="SshException"/> (<see cref="SshError.Configuration"/>) for anything else.</summary>
    public static void Listen(this SshServerOptions options, string endpoint)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(endpoint);
        int colon = endpoint.LastIndexOf(':');
        if (colon > 0 && PortFormat.TryParse(endpoint.AsSpan(colon + 1), out int port) && Addresses(endpoint[..colon]) is { Length: > 0 } addresses)
        {
            foreach (var address in addresses)
                options.Endpoints.Add(new IPEndPoint(address, port));
            return;
        }
        throw new SshException(SshError.Configuration, $"bad address:port \"{endpoint}\"")
        {
            Hint = "An address to listen on looks like 0.0.0.0:2222, [::1]:2222, localhost:2222 or *:2222.",
        };
    }

    /// <summary>Adds the host key in a private key file without a passphrase. Throws <see cref="SshException"/> as <see cref="KeyFile.ReadPrivateKey"/> does.</summary>
    public static void AddFile(this IList<ISigner> hostKeys, string path)
    {
        ArgumentNullException.ThrowIfNull(hostKeys);
        hostKeys.Add(KeyFile.ReadPrivateKey(path));
    }

    private static IPAddress[] Addresses(string host)
    {
        if (host == "*")
            return Both(IPAddress.Any, IPAddress.IPv6Any);
        if (host.Equals("localhost", StringComparison.OrdinalIgnoreCase))
            return Both(IPAddress.Loopback, IPAddress.IPv6Loopback);
        bool bracketed = host.StartsWith('[') && host.EndsWith(']');
        return IPAddress.TryParse(bracketed ? host[1..^1] : host, out var address) && (address.AddressFamily == AddressFamily.InterNetworkV6) == bracketed ? [address] : [];
    }

    private static IPAddress[] Both(IPAddress v4, IPAddress v6) => Socket.OSSupportsIPv6 ? [v4, v6] : [v4];
}
