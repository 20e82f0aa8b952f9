using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Adit.Cli.Diagnostics;
using Adit.Ssh.OpenSsh;
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Client;

/// <summary>What ssh_config says about the socket itself: BindInterface and IPQoS.</summary>
internal static class SocketSettings
{
    private const int Ip = 0; // IPPROTO_IP
    private const int TypeOfService = 1; // IP_TOS
    private const int IpV6 = 41; // IPPROTO_IPV6
    private const int TrafficClass = 67; // IPV6_TCLASS

    /// <summary>Null where nothing is to be done to it.</summary>
    public static Action<Socket>? Build(SshConfigValues config, LogOutput log)
    {
        var name = config.Get(Keywords.BindAddress) is null ? config.Get(Keywords.BindInterface) : null;
        var quality = config.Get(Keywords.IPQoS);
        var service = config.IsInteractive ? quality.Interactive : quality.Bulk;
        if (name is null && service < 0)
        {
            return null;
        }

        return socket =>
        {
            if (service >= 0)
            {
                SetService(socket, service, log);
            }

            if (name is not null)
            {
                socket.Bind(new IPEndPoint(Find(name, socket.AddressFamily, log), 0));
            }
        };
    }

    private static void SetService(Socket socket, int service, LogOutput log)
    {
        try
        {
            var (level, option) = socket.AddressFamily == AddressFamily.InterNetworkV6 ? (IpV6, TrafficClass) : (Ip, TypeOfService);
            socket.SetRawSocketOption(level, option, BitConverter.GetBytes(service));
            log.Write(OpenSshLogLevel.Debug3, $"set_sock_tos: set socket {(level == Ip ? "IP_TOS" : "IPV6_TCLASS")} 0x{service:x2}");
        }
        catch (SocketException e)
        {
            log.Write(OpenSshLogLevel.Error, $"setsockopt socket IP_TOS {service}: {e.Message}"); // as ssh does, it goes on without
        }
    }

    /// <summary>The interface's first address of a family, loopback and link-local ones only where it has no other. Throws <see cref="SocketException"/> where it has none.</summary>
    private static IPAddress Find(string name, AddressFamily family, LogOutput log)
    {
        var addresses = NetworkInterface.GetAllNetworkInterfaces().Where(item => item.Name == name && item.OperationalStatus is OperationalStatus.Up or OperationalStatus.Unknown)
            .SelectMany(item => item.GetIPProperties().UnicastAddresses).Select(item => item.Address).Where(address => address.AddressFamily == family).ToList();
        if (addresses.Count == 0)
        {
            log.Write(OpenSshLogLevel.Info, $"getifaddrs: {name}: no suitable addresses");
            throw new SocketException((int)SocketError.AddressNotAvailable);
        }

        return addresses.Find(address => !IPAddress.IsLoopback(address) && !address.IsIPv6LinkLocal && !address.IsIPv6SiteLocal) ?? addresses[0];
    }
}
