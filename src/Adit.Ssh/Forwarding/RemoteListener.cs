using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Connection;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>A listener that the peer asked for: each connection it accepts goes to the peer as a forwarded-tcpip channel, if the policy of now still allows it.</summary>
internal sealed class RemoteListener(
    SshConnection connection, ListenerLease lease, TcpipForwardData requested, Func<CancellationToken, ValueTask<ForwardingDecision>> decide, TaskTracker connections, ILogger logger)
    : IAsyncDisposable
{
    private readonly string _host = PeerText.Escape(requested.Host, 256);
    private volatile bool _closed;

    /// <summary>The port that is really listened on.</summary>
    public int Port { get; } = lease.Listener.Bound[0].Port;

    public ListenerLease Lease => lease;

    /// <summary>The peer knows of it by now: begins to accept.</summary>
    public void Start() => lease.Listener.Start(socket => connections.Add(CarryAsync(socket)));

    /// <summary>Frees the port. Connections through it live on; one that has not come so far is closed.</summary>
    public ValueTask DisposeAsync()
    {
        _closed = true;
        return lease.DisposeAsync();
    }

    private async Task CarryAsync(Socket socket)
    {
        bool allowed = false;
        try
        {
            var decision = await decide(connection.Transport.Ended).ConfigureAwait(false);
            allowed = decision.Allowed;
            if (!allowed)
                logger.LogInformation("refused remote port forward: listen address {Host} port {Port}{Rule}", _host, Port, decision.Rule is null ? "" : $" ({decision.Rule})");
        }
        catch (OperationCanceledException)
        {
            // the connection ended
        }
        catch (Exception e)
        {
            logger.LogError(e, "asking whether a connection to {Host} port {Port} may be forwarded failed", _host, Port);
        }
        if (!allowed || _closed)
        {
            socket.Dispose();
            return;
        }
        await ForwardAsync(socket).ConfigureAwait(false);
    }

    private async Task ForwardAsync(Socket socket)
    {
        ForwardConnection carried;
        IPEndPoint originator;
        try
        {
            carried = new ForwardConnection(socket);
            originator = (IPEndPoint)socket.RemoteEndPoint!;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            socket.Dispose(); // its peer is gone already
            return;
        }
        try
        {
            await connection.OpenAsync("forwarded-tcpip", OpenData(originator), carried, connection.Transport.Ended).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SshException or OperationCanceledException or ObjectDisposedException)
        {
            carried.Abandon();
            if (e is SshException { Error: SshError.ChannelOpenFailed })
                logger.LogInformation("{Refusal}", e.Message);
            return;
        }
        await carried.RunAsync().ConfigureAwait(false);
    }

    /// <summary>forwarded-tcpip (RFC 4254, section 7.2): the address word for word as it was requested, since that is how the peer finds the forward.</summary>
    private byte[] OpenData(IPEndPoint originator)
    {
        var writer = new SshWriter(96);
        new TcpipChannelData(requested.Host, (uint)Port, originator.Address.ToString(), (uint)originator.Port).Write(ref writer);
        return writer.ToArray();
    }
}
