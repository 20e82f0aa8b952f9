using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Forwarding;

/// <summary>Connects to the destination of a forward.</summary>
public interface IForwardDialer
{
    /// <summary>Connects to <paramref name="host"/>. <paramref name="mayConnect"/> is asked for each address before it is tried; an address it refuses is skipped.
    /// Throws <see cref="SshException"/>: <see cref="SshError.NameResolution"/>, <see cref="SshError.ConnectFailed"/> or <see cref="SshError.PolicyDenied"/>,
    /// with the C library's words as message, and in <see cref="SshException.Hint"/> which addresses were tried.</summary>
    ValueTask<Socket> ConnectAsync(string host, int port, Func<IPAddress, CancellationToken, ValueTask<bool>> mayConnect, CancellationToken cancellationToken);
}

/// <summary>Resolves with the system's resolver and tries each address in its order.</summary>
internal sealed class TcpDialer(AddressFamily family) : IForwardDialer
{
    /// <summary>Addresses of one name that an error names.</summary>
    private const int MaxShown = 8;

    public async ValueTask<Socket> ConnectAsync(
        string host, int port, Func<IPAddress, CancellationToken, ValueTask<bool>> mayConnect, CancellationToken cancellationToken)
    {
        var addresses = await ResolveAsync(host, cancellationToken).ConfigureAwait(false);
        var failures = new List<(IPAddress Address, SocketException Error)>();
        foreach (var address in addresses)
        {
            if (!await mayConnect(address, cancellationToken).ConfigureAwait(false))
                continue;
            Socket? socket = null;
            try
            {
                socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                await SocketReadiness.ConnectAsync(socket, new IPEndPoint(address, port), cancellationToken).ConfigureAwait(false);
                return socket;
            }
            catch (SocketException e)
            {
                socket?.Dispose();
                failures.Add((address, e));
            }
            catch
            {
                socket?.Dispose();
                throw;
            }
        }
        throw failures.Count == 0 ? new SshException(SshError.PolicyDenied, "open failed") : Failed(host, failures);
    }

    /// <summary>The last address's error, as OpenSSH has it, and for a name what became of each of its addresses.</summary>
    private static SshException Failed(string host, List<(IPAddress Address, SocketException Error)> failures)
    {
        string last = SocketErrors.Describe(failures[^1].Error);
        var shown = failures.Take(MaxShown).Select(failure => (failure.Address, Reason: SocketErrors.Describe(failure.Error))).ToArray();
        string more = failures.Count > MaxShown ? $" and {failures.Count - MaxShown} more" : "";
        bool alike = shown.All(failure => failure.Reason == last);
        return new SshException(SshError.ConnectFailed, last, failures[^1].Error)
        {
            Hint = IPAddress.TryParse(host, out _) ? null
                : alike ? $"{last} (tried {string.Join(" and ", shown.Select(failure => failure.Address))}{more})"
                : string.Join(", ", shown.Select(failure => $"{failure.Address}: {failure.Reason}")) + more,
        };
    }

    private async ValueTask<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken)
    {
        if (IPAddress.TryParse(host, out var literal))
            return [literal];
        try
        {
            // An empty name would mean this machine to .NET; to the C library it is no name at all.
            if (host.Length == 0)
                throw new SocketException((int)SocketError.HostNotFound);
            return await Dns.GetHostAddressesAsync(host, family, cancellationToken).ConfigureAwait(false);
        }
        catch (SocketException e)
        {
            throw new SshException(SshError.NameResolution, SocketErrors.Describe(e), e);
        }
        catch (ArgumentException e)
        {
            throw new SshException(SshError.NameResolution, "Name or service not known", e);
        }
    }
}
