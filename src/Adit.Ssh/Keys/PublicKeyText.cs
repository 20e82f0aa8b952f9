using System.Text;

namespace Adit.Ssh.Keys;

/// <summary>Finds the public key in a file's content.</summary>
internal static class PublicKeyText
{
    private const string SshPublicKeyBegin = "---- BEGIN SSH2 PUBLIC KEY ----";
    private const string SshPublicKeyEnd = "---- END SSH2 PUBLIC KEY ----";

    /// <summary>Reads a .pub line (comments and empty lines before it are skipped), the format of RFC 4716, or the clear part of a private key.</summary>
    public static PublicKey Read(ReadOnlySpan<byte> content, out string comment)
    {
        if (content.IndexOf("PRIVATE KEY-----"u8) >= 0)
            return ReadFromPrivate(content, out comment);
        string text = Encoding.UTF8.GetString(content);
        int begin = text.IndexOf(SshPublicKeyBegin, StringComparison.Ordinal);
        if (begin >= 0)
            return ReadRfc4716(text[(begin + SshPublicKeyBegin.Length)..], out comment);
        foreach (var range in text.AsSpan().Split('\n'))
        {
            var line = text.AsSpan(range).Trim();
            if (!line.IsEmpty && line[0] != '#')
                return PublicKey.ParseText(line, out comment);
        }
        throw KeyFileError.InvalidFormat("there is no key in it");
    }

    private static PublicKey ReadFromPrivate(ReadOnlySpan<byte> content, out string comment)
    {
        using var file = KeyFileContent.Parse(content);
        comment = "";
        if (!file.IsEncrypted)
        {
            using var key = file.Open([], default);
            comment = key.Comment;
            return key.PublicKey;
        }
        return file.PublicKey ?? throw KeyFileError.WrongPassphrase("the public key is inside the encrypted part");
    }

    // Header lines "Tag: value" (a line that ends with \ goes on in the next one), then base64.
    private static PublicKey ReadRfc4716(string text, out string comment)
    {
        int end = text.IndexOf(SshPublicKeyEnd, StringComparison.Ordinal);
        if (end < 0)
            throw KeyFileError.InvalidFormat($"the line \"{SshPublicKeyEnd}\" is missing");
        comment = "";
        var base64 = new StringBuilder();
        string[] lines = text[..end].Replace("\r", "").Replace("\\\n", "").Split('\n');
        foreach (string line in lines)
        {
            int colon = line.IndexOf(':');
            if (colon < 0)
                base64.Append(line.Trim());
            else if (line.StartsWith("Comment:", StringComparison.OrdinalIgnoreCase))
                comment = line[(colon + 1)..].Trim().Trim('"');
        }
        try
        {
            return PublicKey.Parse(Convert.FromBase64String(base64.ToString()));
        }
        catch (FormatException)
        {
            throw KeyFileError.InvalidFormat("the base64 is malformed");
        }
    }
}
