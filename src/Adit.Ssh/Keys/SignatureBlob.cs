using Adit.Ssh.Wire;

namespace Adit.Ssh.Keys;

/// <summary>The envelope of every signature (RFC 4253, section 6.6).</summary>
internal static class SignatureBlob
{
    // string algorithm | string signature
    public static byte[] Create(string algorithm, ReadOnlySpan<byte> signature)
    {
        var writer = new SshWriter(8 + algorithm.Length + signature.Length);
        writer.WriteString(algorithm);
        writer.WriteString(signature);
        return writer.ToArray();
    }

    /// <summary>The algorithm that a signature blob names. Throws a protocol error when it is malformed.</summary>
    public static string AlgorithmOf(ReadOnlySpan<byte> blob) => new SshReader(blob).ReadName();
}
