using System.Security.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Forwarding;

/// <summary>The requests that may pass a forwarded agent; anything else is <see cref="Refused"/>.</summary>
internal enum AgentRequestKind
{
    Refused,
    /// <summary>SSH_AGENTC_REQUEST_IDENTITIES.</summary>
    List,
    /// <summary>SSH_AGENTC_SIGN_REQUEST.</summary>
    Sign,
    /// <summary>The extension session-bind@openssh.com: the next hop tells the agent whom it is connected to.</summary>
    Bind,
    /// <summary>The extension query: which extensions are there.</summary>
    Query,
}

/// <summary>One message for an agent, from its type byte to its end, as far as a filter has to understand it. What is not of exactly the form that the agent protocol
/// gives it (draft-ietf-sshm-ssh-agent, OpenSSH's PROTOCOL.agent) is refused, so that no agent can read something else into it.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Type">Its type byte, for logs.</param>
/// <param name="Key">Sign: the key's blob. Bind: that of the host key.</param>
/// <param name="Data">Sign: what is to be signed. Bind: the session id.</param>
internal readonly record struct AgentRequest(AgentRequestKind Kind, byte Type, ReadOnlyMemory<byte> Key = default, ReadOnlyMemory<byte> Data = default)
{
    private const byte List = 11, Sign = 13, Extension = 27;

    public static AgentRequest Parse(ReadOnlyMemory<byte> message)
    {
        if (message.IsEmpty)
            return new AgentRequest(AgentRequestKind.Refused, 0);
        byte type = message.Span[0];
        try
        {
            var reader = new SshReader(message.Span[1..]);
            switch (type)
            {
                case List:
                    reader.EnsureEnd();
                    return new AgentRequest(AgentRequestKind.List, type);
                case Sign:
                    // string key | string data | uint32 flags
                    byte[] key = reader.ReadString().ToArray(), data = reader.ReadString().ToArray();
                    reader.ReadUInt32();
                    reader.EnsureEnd();
                    return new AgentRequest(AgentRequestKind.Sign, type, key, data);
                case Extension:
                    return ReadExtension(ref reader);
            }
        }
        catch (SshException e) when (e.Error == SshError.ProtocolError)
        {
            // not of that form
        }
        return new AgentRequest(AgentRequestKind.Refused, type);
    }

    private static AgentRequest ReadExtension(ref SshReader reader)
    {
        var name = reader.ReadString();
        if (name.SequenceEqual("query"u8))
        {
            reader.EnsureEnd();
            return new AgentRequest(AgentRequestKind.Query, Extension);
        }
        if (!name.SequenceEqual("session-bind@openssh.com"u8))
            return new AgentRequest(AgentRequestKind.Refused, Extension);
        // string host key | string session id | string signature | boolean is forwarding
        byte[] hostKey = reader.ReadString().ToArray(), sessionId = reader.ReadString().ToArray();
        reader.ReadString();
        reader.ReadBoolean();
        reader.EnsureEnd();
        return new AgentRequest(AgentRequestKind.Bind, Extension, hostKey, sessionId);
    }

    /// <summary>A key's type and fingerprint, for people. A blob of a type that is not known here has a fingerprint all the same.</summary>
    public static string Describe(ReadOnlySpan<byte> keyBlob)
    {
        string fingerprint = "SHA256:" + Convert.ToBase64String(SHA256.HashData(keyBlob)).TrimEnd('=');
        try
        {
            var key = PublicKey.Parse(keyBlob);
            return $"{key.TypeName} {key.Fingerprint}";
        }
        catch (SshException)
        {
            return $"key {fingerprint}";
        }
    }
}
