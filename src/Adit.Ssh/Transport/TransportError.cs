using System.Net.Sockets;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Transport;

/// <summary>What the end of a connection is reported with that its peer, or the network, brought about.</summary>
internal static class TransportError
{
    /// <summary>The peer's SSH_MSG_DISCONNECT.</summary>
    public static SshException Disconnected(PeerAddress peer, in DisconnectMessage goodbye) =>
        new(SshError.Disconnected, $"Received disconnect from {peer.Host} port {peer.Port}:{(uint)goodbye.Reason}: {PeerText.Escape(goodbye.Description, 1024)}")
        {
            DisconnectReason = goodbye.Reason,
        };

    /// <summary>The reason for a connection that ended without a word.</summary>
    /// <param name="early">The peer had not identified itself.</param>
    public static SshException Lost(PeerAddress peer, bool early, Exception? cause)
    {
        bool reset = cause is SocketException { SocketErrorCode: SocketError.ConnectionReset };
        string what = reset ? "reset" : "closed";
        string message = early
            ? reset ? "kex_exchange_identification: read: Connection reset by peer\n" : "kex_exchange_identification: Connection closed by remote host\n"
            : "";
        message += $"Connection {what} by {peer.Host} port {peer.Port}";
        return new SshException(SshError.ConnectionLost, message, cause)
        {
            Hint = !early ? null : peer.Host == "UNKNOWN" ? "what carries the connection (ProxyCommand, a jump host) ended before the server said that it speaks SSH: does it reach the server by itself?" :
                $"{peer.Host} port {peer.Port} took the connection and ended it before it said that it speaks SSH: it may be another service, or a server that refuses more logins for now",
        };
    }
}
