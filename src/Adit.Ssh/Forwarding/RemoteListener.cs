using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Connection;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>A listener that the peer asked for: each connection it accepts goes to the peer as a forwarded-tcpip channel, if the policy of now still allows it.</summary>
internal sealed class RemoteListener(
    SshConnection connection, ListenerLease lease, TcpipForwardData requested, Func<CancellationToken, ValueTask<ForwardingDecision>> decide, LiveForwards live, TaskTracker connections,
    ILogger logger)
    : IRequestedListener
{
    private volatile bool _closed;

    /// <summary>The port that is really listened on.</summary>
    public int Port { get; } = lease.Listener.Bound[0].Port;

    public ListenerLease Lease => lease;

    public void Start() => lease.Listener.Start(socket => connections.Add(CarryAsync(socket)));

    /// <summary>Frees the port. Connections through it live on; one that has not come so far is closed.</summary>
    public ValueTask DisposeAsync()
    {
        _closed = true;
        return lease.DisposeAsync();
    }

    public async ValueTask<ForwardingDecision> DecideAsync(CancellationToken cancellationToken)
    {
        var decision = await decide(cancellationToken).ConfigureAwait(false);
        return _closed ? ForwardingDecision.Deny("it was cancelled") : decision;
    }

    private Task CarryAsync(Socket socket) =>
        AcceptedSocket.CarryToPeerAsync(connection, socket, $"address {PeerText.Escape(requested.Host, 256)} port {Port}", DecideAsync, Open, live, logger);

    /// <summary>forwarded-tcpip (RFC 4254, section 7.2): the address word for word as it was requested, since that is how the peer finds the forward.</summary>
    private (string Type, byte[] Data) Open(IPEndPoint? originator)
    {
        var writer = new SshWriter(96);
        new TcpipChannelData(requested.Host, (uint)Port, originator!.Address.ToString(), (uint)originator.Port).Write(ref writer);
        return (RemoteForwards.TcpChannel, writer.ToArray());
    }
}
