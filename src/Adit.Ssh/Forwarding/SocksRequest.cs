using System.Buffers.Binary;

namespace Adit.Ssh.Forwarding;

/// <summary>Reply codes of SOCKS5 (RFC 1928, section 6). SOCKS4 knows granted and refused only.</summary>
internal enum SocksReply : byte
{
    Succeeded = 0,
    GeneralFailure = 1,
    NotAllowed = 2,
    NetworkUnreachable = 3,
    HostUnreachable = 4,
    ConnectionRefused = 5,
    CommandNotSupported = 7,
    AddressTypeNotSupported = 8,
}

/// <summary>What a SOCKS client wants to be connected to.</summary>
/// <param name="Version">4 or 5.</param>
/// <param name="Destination">Host as text, for the far end to resolve, and port.</param>
internal sealed record SocksRequest(int Version, ForwardAddress Destination)
{
    /// <summary>The answer to this request.</summary>
    public byte[] Answer(SocksReply reply) => Answer(Version, reply, Destination.Port);

    /// <summary>SOCKS5, RFC 1928: <code>byte 5 | byte reply | byte 0 | byte 1 (IPv4) | byte[4] bound address | uint16 bound port</code>
    /// SOCKS4: <code>byte 0 | byte 90 (granted) or 91 (refused) | uint16 ignored | byte[4] ignored</code>
    /// Which address the far end connected from is not known here; like OpenSSH the answer holds 0.0.0.0 and, in SOCKS5, the port that was asked for.</summary>
    public static byte[] Answer(int version, SocksReply reply, int port = 0)
    {
        if (version == 4)
            return [0, reply == SocksReply.Succeeded ? (byte)90 : (byte)91, 0, 0, 0, 0, 0, 0];
        byte[] answer = [5, (byte)reply, 0, 1, 0, 0, 0, 0, 0, 0];
        BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(8), (ushort)port);
        return answer;
    }

    /// <summary>The true reason, as far as SOCKS5 has a code for it: for a dial from here that failed, or a channel that the server refused. Servers tell why
    /// a connection failed in words only: those of their C library.</summary>
    public static SocksReply Explain(SshException failure) => failure switch
    {
        { Error: SshError.PolicyDenied } or { OpenFailureReason: OpenFailureReason.AdministrativelyProhibited } => SocksReply.NotAllowed,
        { Error: SshError.NameResolution } => SocksReply.HostUnreachable,
        { Error: SshError.ConnectFailed } or { OpenFailureReason: OpenFailureReason.ConnectFailed } => Explain(failure.Message),
        _ => SocksReply.GeneralFailure,
    };

    private static SocksReply Explain(string message)
    {
        bool Says(string words) => message.Contains(words, StringComparison.OrdinalIgnoreCase);
        return Says("refused") ? SocksReply.ConnectionRefused
            : Says("network is unreachable") || Says("network is down") ? SocksReply.NetworkUnreachable
            : Says("no route to host") || Says("host is down") || Says("host is unreachable") || Says("timed out") ? SocksReply.HostUnreachable
            : Says("not known") || Says("name resolution") || Says("no address associated") || Says("unknown host") ? SocksReply.HostUnreachable
            : SocksReply.GeneralFailure;
    }
}
