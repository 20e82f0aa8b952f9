using System.Text;
using Adit.Cli.Client;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;

namespace Adit.Cli.Multiplexing;

/// <summary>What a person is told about a connection: ~I and -O conninfo, ~# and -O channels.</summary>
internal static class ConnectionReport
{
    /// <summary>Who is connected where, and with what.</summary>
    public static string Connection(SshClient client, ClientSettings settings)
    {
        var text = new StringBuilder($"Connected to {settings.Options.UserName}@{settings.Options.Host} port {settings.Options.Port}, pid {Environment.ProcessId}\r\n");
        if (client.IsProxied)
        {
            return text.Append("  through another process's connection (-O proxy)").ToString();
        }

        text.Append($"  server {PeerText.Escape(client.ServerVersion)}\r\n");
        text.Append($"  key exchange {client.KeyExchangeAlgorithm}\r\n");
        return text.Append($"  host key {client.HostKey.TypeName} {client.HostKey.Fingerprint}").ToString();
    }

    /// <summary>What is open and what is listened on.</summary>
    public static string Channels(SshClient client, IEnumerable<ForwardSpecification> forwards)
    {
        var text = new StringBuilder("The following connections are open:\r\n");
        foreach (var channel in client.Channels)
        {
            text.Append($"  #{channel.Number} {channel.Type} ({channel.Bytes} bytes)\r\n");
        }

        foreach (var forward in forwards)
        {
            text.Append($"  -{forward.Kind.ToString()[0]} {PeerText.Escape(forward.ToString())} (listening)\r\n");
        }

        return text.ToString().TrimEnd('\r', '\n');
    }
}
