using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Authentication;

/// <summary>What the signature of a public-key request covers (RFC 4252, section 7): the session, and the request itself up to the signature.
/// It ties the proof to this session, user, service, method, algorithm and key, and with the host-bound method to the server's host key.</summary>
// string    session identifier
// byte      SSH_MSG_USERAUTH_REQUEST
// string    user name
// string    service name
// string    method name
// boolean   TRUE
// string    public key algorithm name
// string    public key blob
// string    server host key blob      only in publickey-hostbound-v00@openssh.com
internal static class PublicKeySignatureData
{
    /// <summary>For the signer; <paramref name="fields"/> without a signature yet.</summary>
    public static byte[] Build(ReadOnlySpan<byte> sessionId, AuthRequestHeader header, AuthPublicKeyFields fields)
    {
        var writer = new SshWriter(512);
        writer.WriteString(sessionId);
        header.Write(ref writer);
        (fields with { HasSignature = true, Signature = null }).Write(ref writer);
        return writer.ToArray();
    }

    /// <summary>For the verifier: over the very bytes received, so that nothing can be read one way and signed another.</summary>
    /// <param name="unsignedRequest">The request's payload from its number up to, not including, the signature's length.</param>
    public static byte[] OfReceived(ReadOnlySpan<byte> sessionId, ReadOnlySpan<byte> unsignedRequest)
    {
        var writer = new SshWriter(4 + sessionId.Length + unsignedRequest.Length);
        writer.WriteString(sessionId);
        writer.WriteBytes(unsignedRequest);
        return writer.ToArray();
    }
}
