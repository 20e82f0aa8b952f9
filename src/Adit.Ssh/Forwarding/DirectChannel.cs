using System.Net;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Forwarding;

/// <summary>The channel that asks the far end to connect somewhere.</summary>
internal static class DirectChannel
{
    /// <summary>What OpenSSH says where there is no accepted socket whose peer could be told.</summary>
    private static readonly IPEndPoint Nobody = new(IPAddress.Loopback, 65535);

    /// <summary>direct-tcpip (RFC 4254, section 7.2), or direct-streamlocal@openssh.com (OpenSSH PROTOCOL, section 2.4).</summary>
    /// <param name="destination">Where to.</param>
    /// <param name="originator">Who connected here; null where that has no address.</param>
    public static (string Type, byte[] Data) To(ForwardAddress destination, IPEndPoint? originator = null)
    {
        originator ??= Nobody;
        string host = originator.Address.ToString();
        if (destination.Path is { } path)
            return (DirectStreamLocalData.ChannelType, new DirectStreamLocalData(path, host, (uint)originator.Port).ToArray());
        var writer = new SshWriter(96);
        new TcpipChannelData(destination.Host ?? "", (uint)destination.Port, host, (uint)originator.Port).Write(ref writer);
        return ("direct-tcpip", writer.ToArray());
    }
}
