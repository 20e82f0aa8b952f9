using System.Net;
using System.Net.Sockets;

namespace Adit.Ssh.Forwarding;

/// <summary>Where a listener is to be, with the addresses that a name or a wildcard stands for.</summary>
/// <param name="Listen">As it was asked for.</param>
/// <param name="Addresses">What to bind; empty for a Unix socket.</param>
internal sealed record ListenTarget(ForwardAddress Listen, IReadOnlyList<IPAddress> Addresses)
{
    /// <summary>Looks a name up. Throws <see cref="SshException"/> (<see cref="SshError.ForwardFailed"/>) when there is no such name.</summary>
    public static async Task<ListenTarget> ResolveAsync(ForwardAddress listen, ListenOptions options, CancellationToken cancellationToken) =>
        new(listen, listen.IsUnix ? [] : await AddressesAsync(listen.Host, options, cancellationToken).ConfigureAwait(false));

    /// <summary>Whether the kernel would not let both be bound: the same path, or the same port with the same address or a wildcard of its family.</summary>
    public bool Overlaps(ForwardAddress bound)
    {
        if (Listen.IsUnix || bound.IsUnix)
            return Listen.Path == bound.Path;
        return Listen.Port != 0 && Listen.Port == bound.Port && IPAddress.TryParse(bound.Host, out var taken)
            && Addresses.Any(address => address.Equals(taken) || (address.AddressFamily == taken.AddressFamily && (IsWildcard(address) || IsWildcard(taken))));
    }

    private static bool IsWildcard(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    private static async Task<IPAddress[]> AddressesAsync(string? host, ListenOptions options, CancellationToken cancellationToken)
    {
        bool wildcard = host is "" or "*" || (host is null && options.GatewayPorts);
        bool loopback = host is "localhost" || (host is null && !options.GatewayPorts);
        if (!wildcard && !loopback)
        {
            try
            {
                return IPAddress.TryParse(host!, out var literal) ? [literal]
                    : await Dns.GetHostAddressesAsync(host!, options.AddressFamily, cancellationToken).ConfigureAwait(false);
            }
            catch (SocketException e)
            {
                throw new SshException(SshError.ForwardFailed, $"channel_setup_fwd_listener_tcpip: getaddrinfo({host}): {SocketErrors.Describe(e)}", e)
                {
                    Hint = "the bind address must be an address of this machine, a name for one, localhost, or * for all",
                };
            }
        }
        var addresses = new List<IPAddress>();
        if (options.AddressFamily != AddressFamily.InterNetworkV6)
            addresses.Add(wildcard ? IPAddress.Any : IPAddress.Loopback);
        if (options.AddressFamily != AddressFamily.InterNetwork && Socket.OSSupportsIPv6)
            addresses.Add(wildcard ? IPAddress.IPv6Any : IPAddress.IPv6Loopback);
        return [.. addresses];
    }
}
