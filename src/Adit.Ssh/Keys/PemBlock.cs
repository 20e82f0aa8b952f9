using System.Text;

namespace Adit.Ssh.Keys;

/// <summary>One "-----BEGIN LABEL-----" block (RFC 7468), with the headers of RFC 1421 that older key files have.</summary>
internal sealed class PemBlock
{
    private const string Begin = "-----BEGIN ";
    private const string Dashes = "-----";

    private PemBlock(string label, IReadOnlyDictionary<string, string> headers, byte[] data)
    {
        Label = label;
        Headers = headers;
        Data = data;
    }

    /// <summary>For instance "OPENSSH PRIVATE KEY".</summary>
    public string Label { get; }

    public IReadOnlyDictionary<string, string> Headers { get; }

    public byte[] Data { get; }

    /// <summary>The first block that holds a private key; others (such as EC PARAMETERS) are skipped. Throws when there is none.</summary>
    public static PemBlock FindPrivateKey(ReadOnlySpan<byte> content)
    {
        string[] lines = Encoding.Latin1.GetString(content).Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].Trim();
            if (!line.StartsWith(Begin, StringComparison.Ordinal) || !line.EndsWith(Dashes, StringComparison.Ordinal))
                continue;
            string label = line.Length > Begin.Length + Dashes.Length ? line[Begin.Length..^Dashes.Length] : "";
            if (label.EndsWith("PRIVATE KEY", StringComparison.Ordinal))
                return Read(label, lines, i + 1);
        }
        throw KeyFileError.InvalidFormat(Describe(lines[0]));
    }

    private static PemBlock Read(string label, string[] lines, int at)
    {
        string end = "-----END " + label + Dashes;
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        var base64 = new StringBuilder();
        for (; at < lines.Length; at++)
        {
            string line = lines[at].Trim();
            if (line == end)
                return new PemBlock(label, headers, Decode(base64.ToString()));
            int colon = line.IndexOf(':');
            if (colon > 0 && base64.Length == 0)
                headers[line[..colon].Trim()] = line[(colon + 1)..].Trim();
            else
                base64.Append(line);
        }
        throw KeyFileError.InvalidFormat($"the line \"{end}\" is missing");
    }

    private static byte[] Decode(string base64)
    {
        try
        {
            return Convert.FromBase64String(base64);
        }
        catch (FormatException)
        {
            throw KeyFileError.InvalidFormat("the base64 between the BEGIN and END lines is malformed");
        }
    }

    private static string Describe(string firstLine)
    {
        if (firstLine.StartsWith("PuTTY-User-Key-File", StringComparison.Ordinal))
            return "this is a PuTTY key; convert it with: puttygen key.ppk -O private-openssh -o key";
        if (firstLine.StartsWith("ssh-", StringComparison.Ordinal) || firstLine.StartsWith("ecdsa-", StringComparison.Ordinal))
            return "this is a public key; the private key is in the file without .pub";
        return "there is no \"-----BEGIN … PRIVATE KEY-----\" line in it";
    }
}
