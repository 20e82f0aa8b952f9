using Adit.Ssh.Wire;

namespace Adit.Ssh.Forwarding;

/// <summary>What a signature is for, read from the data that it is over. It is the other side's data: what is read from it helps a person to decide, and nothing else.</summary>
internal static class AgentPurpose
{
    private const byte UserAuthRequest = 50;
    private const int MaxShown = 100;

    /// <param name="data">What is to be signed.</param>
    /// <param name="bindings">Host keys of the sessions that were bound over this connection to the agent, by their ids (in hexadecimal).</param>
    public static string Describe(ReadOnlySpan<byte> data, IReadOnlyDictionary<string, string> bindings)
    {
        try
        {
            return data.StartsWith("SSHSIG"u8) ? DescribeFile(data) : DescribeLogin(data, bindings);
        }
        catch (SshException e) when (e.Error == SshError.ProtocolError)
        {
            return "to sign data of an unknown kind";
        }
    }

    // OpenSSH's PROTOCOL.sshsig: bytes "SSHSIG" | string namespace | …
    private static string DescribeFile(ReadOnlySpan<byte> data)
    {
        var reader = new SshReader(data["SSHSIG"u8.Length..]);
        return $"to sign a file or message ({PeerText.Escape(reader.ReadText(), MaxShown)})";
    }

    // RFC 4252, section 7: string session id | byte 50 | string user | string service | string method | boolean true | string algorithm | string key [| string host key]
    private static string DescribeLogin(ReadOnlySpan<byte> data, IReadOnlyDictionary<string, string> bindings)
    {
        var reader = new SshReader(data);
        var sessionId = reader.ReadString(maxLength: 128);
        if (reader.ReadByte() != UserAuthRequest)
            throw SshException.Protocol("not a login");
        string user = PeerText.Escape(reader.ReadText(), MaxShown);
        reader.ReadName(); // service
        bool isHostBound = reader.ReadName() == "publickey-hostbound-v00@openssh.com";
        reader.ReadBoolean();
        reader.ReadName(); // algorithm
        reader.ReadString(); // key
        string? host = bindings.GetValueOrDefault(Convert.ToHexString(sessionId));
        if (isHostBound)
            host = AgentRequest.Describe(reader.ReadString());
        reader.EnsureEnd();
        return $"to log in as {user}{(host is null ? "" : $" at the host with key {host}")}";
    }
}
