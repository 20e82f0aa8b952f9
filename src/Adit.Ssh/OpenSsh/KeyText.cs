using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.OpenSsh;

/// <summary>Reads "type base64 comment" in files with many lines, most of which may be anything.</summary>
internal static class KeyText
{
    /// <summary>Base64 of the shortest key there is (Ed25519) is longer than this.</summary>
    private const int MinBase64Length = 60;

    /// <summary>True when a line begins with the name of a key type: then it begins with a key, or with nothing usable.</summary>
    public static bool StartsWithKeyType(ReadOnlySpan<char> text) => HostKeyTypes.IsKeyType(FirstWord(text));

    public static bool TryParse(ReadOnlySpan<char> text, out PublicKey key, out string comment, out string? problem)
    {
        key = null!;
        comment = "";
        // What is plainly no key is told apart without an exception: a file of a million such lines must not take minutes.
        var type = FirstWord(text);
        if (!HostKeyTypes.IsKeyType(type))
        {
            problem = "unknown key type";
            return false;
        }
        if (FirstWord(text[type.Length..].TrimStart(" \t")).Length < MinBase64Length)
        {
            problem = "the key is too short";
            return false;
        }
        try
        {
            key = PublicKey.ParseText(text, out comment);
            problem = null;
            return true;
        }
        catch (SshException e)
        {
            problem = PeerText.Escape(e.Message);
            return false;
        }
    }

    private static ReadOnlySpan<char> FirstWord(ReadOnlySpan<char> text)
    {
        int end = text.IndexOfAny(' ', '\t');
        return end < 0 ? text : text[..end];
    }
}
