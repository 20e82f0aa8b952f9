using System.Text;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;

namespace Adit.Cli.Multiplexing;

/// <summary>A forward as masters and clients speak of it; two are the same when all of it is. <code>uint32 kind · string listen host · uint32 listen port · string host ·
/// uint32 port</code></summary>
/// <param name="Kind">-L, -R or -D.</param>
/// <param name="Listen">What is listened on. Host null stands for no bind address, "*" for the wildcard.</param>
/// <param name="Destination">Where connections go; null for a SOCKS proxy.</param>
internal sealed record MuxForward(MuxForwardKind Kind, ForwardAddress Listen, ForwardAddress? Destination)
{
    /// <summary>What is written in the place of a destination where SOCKS clients name it.</summary>
    private const string Socks = "socks";

    public static MuxForward Of(ForwardSpecification specification)
    {
        var kind = specification.Kind == ForwardKind.Remote ? MuxForwardKind.Remote : specification.IsDynamic ? MuxForwardKind.Dynamic : MuxForwardKind.Local;
        var listen = specification.Listen is { IsUnix: false, Host: "" } wildcard ? ForwardAddress.Tcp("*", wildcard.Port) : specification.Listen;
        return new MuxForward(kind, listen, specification.Destination);
    }

    public ForwardSpecification ToSpecification() =>
        new(Kind switch { MuxForwardKind.Local => ForwardKind.Local, MuxForwardKind.Remote => ForwardKind.Remote, _ => ForwardKind.Dynamic }, Listen, Destination);

    /// <summary>Null for a forward that makes no sense.</summary>
    /// <exception cref="SshException"><see cref="SshError.ProtocolError"/>: the message is malformed.</exception>
    public static MuxForward? Read(ref SshReader reader)
    {
        var kind = (MuxForwardKind)reader.ReadUInt32();
        var listen = ReadAddress(ref reader);
        var destination = ReadAddress(ref reader);
        reader.EnsureEnd();
        if (listen is not { } here)
        {
            return null;
        }

        return kind switch
        {
            MuxForwardKind.Dynamic when here is { IsUnix: false, Port: > 0 } => new MuxForward(kind, here, null),
            MuxForwardKind.Remote when destination is { IsUnix: false, Port: 0 } => new MuxForward(kind, here, null),
            MuxForwardKind.Remote when IsDestination(destination) => new MuxForward(kind, here, destination),
            MuxForwardKind.Local when IsDestination(destination) && (here.IsUnix || here.Port > 0) => new MuxForward(kind, here, destination),
            _ => null,
        };
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteUInt32((uint)Kind);
        WriteAddress(ref writer, Listen);
        WriteAddress(ref writer, Destination ?? ForwardAddress.Tcp(Socks, 0));
    }

    /// <summary>For a question or a log line, in OpenSSH's words.</summary>
    /// <param name="gatewayPorts">What no bind address means for local ones.</param>
    public string Describe(bool gatewayPorts)
    {
        var unbound = gatewayPorts && Kind != MuxForwardKind.Remote ? "*" : "LOCALHOST";
        var listen = Listen.IsUnix ? $"{Listen.Path}:-2" : $"{Listen.Host ?? unbound}:{Listen.Port}";
        var to = Destination is not { } destination ? $"{Socks}:0" : destination.IsUnix ? $"{destination.Path}:-2" : $"{destination.Host}:{destination.Port}";
        return Kind switch
        {
            MuxForwardKind.Dynamic => $"dynamic forward {listen} -> *",
            MuxForwardKind.Remote => $"remote forward {listen} -> {to}",
            _ => $"local forward {listen} -> {to}",
        };
    }

    private static bool IsDestination(ForwardAddress? address) => address is { IsUnix: true } or { Host: not null, Port: > 0 };

    private static ForwardAddress? ReadAddress(ref SshReader reader)
    {
        var host = reader.ReadText(4096);
        var port = reader.ReadUInt32();
        if (host.Contains('\0') || port is > 65535 and not MuxProtocol.UnixPort)
        {
            throw new SshException(SshError.ProtocolError, "malformed message");
        }

        // sun_path has room for 107 bytes.
        return port == MuxProtocol.UnixPort
            ? host.Length > 0 && Encoding.UTF8.GetByteCount(host) < 108 ? ForwardAddress.Unix(host) : (ForwardAddress?)null
            : ForwardAddress.Tcp(host.Length == 0 ? null : host, (int)port);
    }

    private static void WriteAddress(ref SshWriter writer, ForwardAddress address)
    {
        writer.WriteString(address.IsUnix ? address.Path! : address.Host switch
        {
            null => "",
            "" => "*",
            var host => host,
        });
        writer.WriteUInt32(address.IsUnix ? MuxProtocol.UnixPort : (uint)address.Port);
    }
}
