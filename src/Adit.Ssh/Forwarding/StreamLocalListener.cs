using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Connection;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>A Unix socket that the peer asked for: each connection it accepts goes to the peer as a forwarded-streamlocal@openssh.com channel, if the policy of now
/// still allows it.</summary>
internal sealed class StreamLocalListener(
    SshConnection connection, ForwardListener listener, string path, Func<CancellationToken, ValueTask<ForwardingDecision>> decide, LiveForwards live, TaskTracker connections, ILogger logger)
    : IRequestedListener
{
    public void Start() => listener.Start(socket => connections.Add(CarryAsync(socket)));

    public ValueTask<ForwardingDecision> DecideAsync(CancellationToken cancellationToken) => decide(cancellationToken);

    /// <summary>Listens no more, and leaves the file, as OpenSSH does: what is under that name now may be somebody else's. Connections through it live on.</summary>
    public ValueTask DisposeAsync() => listener.DisposeAsync();

    private Task CarryAsync(Socket socket) =>
        AcceptedSocket.CarryToPeerAsync(connection, socket, $"path {PeerText.Escape(path, 256)}", decide, Open, live, logger);

    private (string Type, byte[] Data) Open(IPEndPoint? originator) => (ForwardedStreamLocalData.ChannelType, new ForwardedStreamLocalData(path).ToArray());
}
