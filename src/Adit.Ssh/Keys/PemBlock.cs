using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Adit.Ssh.Keys;

/// <summary>One "-----BEGIN LABEL-----" block (RFC 7468), with the headers of RFC 1421 that older key files have.</summary>
internal sealed class PemBlock : IDisposable
{
    private PemBlock(string label, IReadOnlyDictionary<string, string> headers, byte[] data)
    {
        Label = label;
        Headers = headers;
        Data = data;
    }

    private static ReadOnlySpan<byte> Begin => "-----BEGIN "u8;

    private static ReadOnlySpan<byte> Dashes => "-----"u8;

    /// <summary>For instance "OPENSSH PRIVATE KEY".</summary>
    public string Label { get; }

    public IReadOnlyDictionary<string, string> Headers { get; }

    public byte[] Data { get; }

    /// <summary>The first block that holds a private key; others (such as EC PARAMETERS) are skipped. Throws when there is none.</summary>
    public static PemBlock FindPrivateKey(ReadOnlySpan<byte> content)
    {
        for (var rest = content; !rest.IsEmpty;)
        {
            var line = NextLine(ref rest);
            if (line.StartsWith(Begin) && line[Begin.Length..].EndsWith(Dashes) && line[Begin.Length..^Dashes.Length] is var label && label.EndsWith("PRIVATE KEY"u8))
                return Read(Encoding.Latin1.GetString(label), rest);
        }
        throw KeyFileError.InvalidFormat(Describe(content));
    }

    public void Dispose() => CryptographicOperations.ZeroMemory(Data);

    private static PemBlock Read(string label, ReadOnlySpan<byte> rest)
    {
        byte[] end = Encoding.Latin1.GetBytes("-----END " + label + "-----");
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        // Nothing of what may be a secret goes into a string: strings cannot be erased.
        var base64 = new byte[rest.Length];
        int length = 0;
        try
        {
            while (!rest.IsEmpty)
            {
                var line = NextLine(ref rest);
                if (line.SequenceEqual(end))
                    return new PemBlock(label, headers, Decode(base64.AsSpan(0, length)));
                int colon = line.IndexOf((byte)':');
                if (colon > 0 && length == 0)
                {
                    headers[Encoding.Latin1.GetString(line[..colon]).Trim()] = Encoding.Latin1.GetString(line[(colon + 1)..]).Trim();
                    continue;
                }
                line.CopyTo(base64.AsSpan(length));
                length += line.Length;
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(base64);
        }
        throw KeyFileError.InvalidFormat($"the line \"{Encoding.Latin1.GetString(end)}\" is missing");
    }

    private static byte[] Decode(ReadOnlySpan<byte> base64)
    {
        if (!Base64.IsValid(base64, out int length))
            throw KeyFileError.InvalidFormat("the base64 between the BEGIN and END lines is malformed");
        var data = new byte[length];
        Base64.DecodeFromUtf8(base64, data, out _, out _);
        return data;
    }

    private static ReadOnlySpan<byte> NextLine(ref ReadOnlySpan<byte> rest)
    {
        int end = rest.IndexOf((byte)'\n');
        var line = end < 0 ? rest : rest[..end];
        rest = end < 0 ? [] : rest[(end + 1)..];
        return line.Trim(" \t\r"u8);
    }

    private static string Describe(ReadOnlySpan<byte> content)
    {
        if (content.StartsWith("PuTTY-User-Key-File"u8))
            return "this is a PuTTY key; convert it with: puttygen key.ppk -O private-openssh -o key";
        if (content.StartsWith("ssh-"u8) || content.StartsWith("ecdsa-"u8))
            return "this is a public key; the private key is in the file without .pub";
        return "there is no \"-----BEGIN … PRIVATE KEY-----\" line in it";
    }
}
