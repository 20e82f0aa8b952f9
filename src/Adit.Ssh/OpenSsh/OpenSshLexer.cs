using System.Text;

namespace Adit.Ssh.OpenSsh;

/// <summary>How OpenSSH's configuration files split a line into a keyword and its arguments.</summary>
public static class OpenSshLexer
{
    private const string Blanks = " \t\r\n";

    /// <summary>Splits arguments at blanks and tabs. '…' and "…" protect blanks and may begin anywhere in a word; a backslash protects a quote, a backslash and,
    /// outside quotes, a blank, and is an ordinary character before anything else. With <paramref name="comments"/>, a '#' at the start of a word
    /// ends the line. False when a quote is not closed.</summary>
    public static bool TrySplit(ReadOnlySpan<char> text, bool comments, out List<string> words)
    {
        words = [];
        var word = new StringBuilder();
        int i = 0;
        while (true)
        {
            while (i < text.Length && text[i] is ' ' or '\t')
                i++;
            if (i == text.Length || (comments && text[i] == '#'))
                return true;
            char quote = '\0';
            word.Clear();
            for (; i < text.Length; i++)
            {
                char c = text[i];
                if (c == '\\' && i + 1 < text.Length && (text[i + 1] is '\'' or '"' or '\\' || (quote == '\0' && text[i + 1] == ' ')))
                    word.Append(text[++i]);
                else if (quote == '\0' && c is ' ' or '\t')
                    break;
                else if (quote == '\0' && c is '"' or '\'')
                    quote = c;
                else if (quote != '\0' && c == quote)
                    quote = '\0';
                else
                    word.Append(c);
            }
            if (quote != '\0')
                return false;
            words.Add(word.ToString());
        }
    }

    /// <summary>Takes the keyword off a line: what stands before the first blank or '='. Blanks around it and one '=' are dropped, and so is white space (and
    /// form feeds) at the line's end. <paramref name="keyword"/> is empty for a blank line, a comment, and a line with an unclosed quote in its keyword.</summary>
    public static void SplitKeyword(ReadOnlySpan<char> line, out string keyword, out ReadOnlySpan<char> rest)
    {
        keyword = "";
        rest = default;
        line = line.TrimStart(Blanks).TrimEnd(Blanks + "\f");
        if (line.StartsWith('='))
            line = line[1..].TrimStart(Blanks);
        if (line.IsEmpty || line[0] == '#')
            return;
        int end = line.IndexOfAny(Blanks + "\"=");
        if (end < 0)
        {
            keyword = line.ToString();
            return;
        }
        if (line[end] == '"')
        {
            int close = line[(end + 1)..].IndexOf('"');
            if (close < 0)
                return;
            keyword = string.Concat(line[..end], line.Slice(end + 1, close));
            rest = line[(end + close + 2)..].TrimStart(Blanks);
            return;
        }
        keyword = line[..end].ToString();
        bool equals = line[end] == '=';
        rest = line[(end + 1)..].TrimStart(Blanks);
        if (!equals && rest.StartsWith('='))
            rest = rest[1..].TrimStart(Blanks);
    }
}
