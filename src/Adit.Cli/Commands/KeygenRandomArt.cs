using System.Security.Cryptography;
using System.Text;
using Adit.Ssh.Keys;

namespace Adit.Cli.Commands;

/// <summary>A picture of a fingerprint, for people to compare: the same walk of a "drunken bishop" over a board that ssh-keygen draws.</summary>
internal static class KeygenRandomArt
{
    private const int Width = 17;
    private const int Height = 9;

    /// <summary>By how often a field was visited; the last two are start and end.</summary>
    private const string Marks = " .o+=*BOX@%&#/^SE";

    public static string Draw(PublicKey key, bool md5)
    {
        var blob = key.PlainKey.Blob.Span;
        var board = Walk(md5 ? MD5.HashData(blob) : SHA256.HashData(blob));
        var picture = new StringBuilder();
        picture.Append(Border($"[{key.TypeName} {key.Bits}]", $"[{key.TypeName}]")).Append('\n');
        for (int y = 0; y < Height; y++)
        {
            picture.Append('|');
            for (int x = 0; x < Width; x++)
            {
                picture.Append(Marks[board[x, y]]);
            }

            picture.Append("|\n");
        }

        return picture.Append(Border(md5 ? "[MD5]" : "[SHA256]", "")).ToString();
    }

    private static int[,] Walk(byte[] hash)
    {
        var board = new int[Width, Height];
        int x = Width / 2, y = Height / 2;
        foreach (byte b in hash)
        {
            // Four steps, each by two bits: left or right, up or down.
            for (int shift = 0; shift < 8; shift += 2)
            {
                x = Math.Clamp(x + (((b >> shift) & 1) != 0 ? 1 : -1), 0, Width - 1);
                y = Math.Clamp(y + (((b >> shift) & 2) != 0 ? 1 : -1), 0, Height - 1);
                board[x, y] = Math.Min(board[x, y] + 1, Marks.Length - 3);
            }
        }

        board[Width / 2, Height / 2] = Marks.Length - 2;
        board[x, y] = Marks.Length - 1;
        return board;
    }

    private static string Border(string title, string shorter)
    {
        if (title.Length > Width)
        {
            title = shorter;
        }

        return "+" + (new string('-', (Width - title.Length) / 2) + title).PadRight(Width, '-') + "+";
    }
}
