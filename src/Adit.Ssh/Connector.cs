using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh;

/// <summary>ConnectTimeout: runs from the first packet to the end of the first key exchange, and stands still while a person is asked something.</summary>
internal sealed class ConnectDeadline : IAsyncDisposable
{
    private readonly SshClientOptions _options;
    private readonly CancellationTokenSource _expired;
    private readonly CancellationTokenSource _either;
    private readonly long _started;

    public ConnectDeadline(SshClientOptions options, CancellationToken cancellationToken)
    {
        _options = options;
        _started = options.TimeProvider.GetTimestamp();
        _expired = options.ConnectTimeout is { } limit ? new CancellationTokenSource(limit, options.TimeProvider) : new CancellationTokenSource();
        _either = CancellationTokenSource.CreateLinkedTokenSource(_expired.Token, cancellationToken);
    }

    public CancellationToken Token => _either.Token;

    public bool Expired => _expired.IsCancellationRequested;

    /// <summary>The key exchange, within the time that is left.</summary>
    public async Task GuardAsync(SshTransport transport)
    {
        try
        {
            await transport.HandshakeAsync(Token).ConfigureAwait(false);
        }
        catch (SshException) when (Expired)
        {
            throw new SshException(SshError.Timeout, $"Connection timed out during banner exchange\r\nConnection to {transport.RemoteAddress} port {transport.RemotePort} timed out")
            {
                Hint = $"the server took the connection but the key exchange was not done within ConnectTimeout ({_options.ConnectTimeout!.Value.TotalSeconds:0} s)",
            };
        }
    }

    /// <summary>Runs something that takes a person's time, which does not count.</summary>
    public async ValueTask WithoutAsync(Func<ValueTask> ask)
    {
        var used = _options.TimeProvider.GetElapsedTime(_started);
        _expired.CancelAfter(Timeout.InfiniteTimeSpan);
        await ask().ConfigureAwait(false);
        if (_options.ConnectTimeout is { } limit)
            _expired.CancelAfter(limit > used ? limit - used : TimeSpan.FromMilliseconds(1));
    }

    public ValueTask DisposeAsync()
    {
        _either.Dispose();
        _expired.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>Makes the bytes under a client connection: TCP to each address of the host in turn, or what the caller brought.</summary>
internal static class Connector
{
    private static readonly TimeSpan BetweenAttempts = TimeSpan.FromSeconds(1);

    public static async Task<ByteTransport> ConnectAsync(SshClientOptions options, ILogger logger, ConnectDeadline deadline)
    {
        if (options.ConnectCallback is { } connect)
            return new StreamTransport(await connect(options, deadline.Token).ConfigureAwait(false));
        var addresses = await ResolveAsync(options, deadline).ConfigureAwait(false);
        SshException? failure = null;
        for (int attempt = 0; attempt < Math.Max(options.ConnectionAttempts, 1); attempt++)
        {
            if (attempt > 0)
                await Task.Delay(BetweenAttempts, options.TimeProvider, deadline.Token).ConfigureAwait(false);
            foreach (var address in addresses)
            {
                try
                {
                    logger.LogDebug("Connecting to {Host} [{Address}] port {Port}.", PeerText.Escape(options.Host), address, options.Port);
                    var socket = await ConnectAsync(address, options, logger, deadline.Token).ConfigureAwait(false);
                    logger.LogDebug("Connection established.");
                    return new SocketTransport(socket);
                }
                catch (SocketException e)
                {
                    string reason = SocketErrors.Describe(e);
                    logger.LogDebug("connect to address {Address} port {Port}: {Reason}", address, options.Port, reason);
                    failure = Failed(options, address, reason, e);
                }
                catch (OperationCanceledException e) when (deadline.Expired)
                {
                    throw Failed(options, address, "Connection timed out", e);
                }
            }
        }
        throw failure!;
    }

    private static async Task<IPAddress[]> ResolveAsync(SshClientOptions options, ConnectDeadline deadline)
    {
        if (IPAddress.TryParse(options.Host, out var literal))
        {
            if (options.AddressFamily == AddressFamily.Unspecified || options.AddressFamily == literal.AddressFamily)
                return [literal];
            throw new SshException(SshError.NameResolution, $"ssh: Could not resolve hostname {literal}: Address family for hostname not supported")
            {
                Hint = $"{literal} is an {(literal.AddressFamily == AddressFamily.InterNetworkV6 ? "IPv6" : "IPv4")} address, and AddressFamily (-4, -6) asks for the other kind",
            };
        }
        try
        {
            if (options.Host.Length == 0)
                throw new SocketException((int)SocketError.HostNotFound);
            return await Dns.GetHostAddressesAsync(options.Host, options.AddressFamily, deadline.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            string reason = e is SocketException error ? SocketErrors.Describe(error) : "Name or service not known";
            throw new SshException(SshError.NameResolution, $"ssh: Could not resolve hostname {PeerText.Escape(options.Host)}: {reason}", e)
            {
                Hint = "this machine does not know the name: check the spelling, the HostName line in your ssh_config, and the network",
            };
        }
    }

    private static async Task<Socket> ConnectAsync(IPAddress address, SshClientOptions options, ILogger logger, CancellationToken cancellationToken)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (options.TcpKeepAlive)
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            if (options.BindAddress is { } local)
                Bind(socket, local, logger);
            options.ConfigureSocket?.Invoke(socket);
            await SocketReadiness.ConnectAsync(socket, new IPEndPoint(address, options.Port), cancellationToken).ConfigureAwait(false);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static void Bind(Socket socket, IPAddress local, ILogger logger)
    {
        try
        {
            socket.Bind(new IPEndPoint(local, 0));
        }
        catch (SocketException e)
        {
            logger.LogError("bind {Address}: {Reason}", local, SocketErrors.Describe(e));
            throw;
        }
    }

    private static SshException Failed(SshClientOptions options, IPAddress address, string reason, Exception cause)
    {
        string hint = reason switch
        {
            "Connection refused" => $"{address} is up but nothing listens on port {options.Port} there: is sshd running, and on that port (-p)?",
            "Connection timed out" => $"{address} did not answer on port {options.Port}: it may be down, or a firewall drops the packets",
            "No route to host" or "Network is unreachable" => $"this machine has no way to {address}: check the network, a VPN, or use -J to go through another host",
            "Cannot assign requested address" => options.BindAddress is { } local
                ? $"BindAddress {local} is not an address of this machine"
                : "what to connect from (BindInterface) has no address that reaches there",
            _ => $"the connection to {address} could not be made",
        };
        return new SshException(reason == "Connection timed out" ? SshError.Timeout : SshError.ConnectFailed,
            $"ssh: connect to host {PeerText.Escape(options.Host)} port {options.Port}: {reason}", cause)
        {
            Hint = hint,
        };
    }
}
