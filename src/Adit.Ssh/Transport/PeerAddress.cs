using System.Net;

namespace Adit.Ssh.Transport;

/// <summary>Where the peer is, for logs and messages; "UNKNOWN" and 65535 without a socket, as OpenSSH says.</summary>
internal readonly record struct PeerAddress(string Host, int Port)
{
    public static PeerAddress Of(IPEndPoint? endPoint) => new(endPoint?.Address.ToString() ?? "UNKNOWN", endPoint?.Port ?? 65535);
}
