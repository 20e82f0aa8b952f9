using System.Text;

namespace Adit.Server.Processes;

/// <summary>Text of the operating system (commands, values of variables) as .NET's: UTF-8 where it is that. Every byte that is not becomes one lone surrogate, U+DC80 to
/// U+DCFF, and the same byte again on the way back, so that names in other encodings survive.</summary>
internal static class OsText
{
    private const int Escape = 0xDC00;

    public static string Decode(ReadOnlySpan<byte> bytes)
    {
        if (System.Text.Unicode.Utf8.IsValid(bytes))
        {
            return Encoding.UTF8.GetString(bytes);
        }

        var text = new StringBuilder(bytes.Length);
        while (!bytes.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(bytes, out var rune, out var used) == System.Buffers.OperationStatus.Done)
            {
                text.Append(rune);
            }
            else
            {
                used = 1;
                text.Append((char)(Escape + bytes[0]));
            }

            bytes = bytes[used..];
        }

        return text.ToString();
    }

    public static byte[] Encode(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
        {
            return Encoding.UTF8.GetBytes(text);
        }

        var bytes = new List<byte>(text.Length + 16);
        Span<byte> one = stackalloc byte[4];
        for (var i = 0; i < text.Length;)
        {
            if (Rune.TryGetRuneAt(text, i, out var rune))
            {
                bytes.AddRange(one[..rune.EncodeToUtf8(one)]);
                i += rune.Utf16SequenceLength;
                continue;
            }

            bytes.Add(text[i] is >= (char)(Escape + 0x80) and <= (char)(Escape + 0xFF) ? (byte)(text[i] - Escape) : (byte)'?');
            i++;
        }

        return [.. bytes];
    }
}
