using System.Text;

namespace Adit.Bench.Load;

/// <summary>An endless text that both ends know: whatever arrives can be compared, byte for byte, with what belongs at that place.</summary>
internal sealed class Payload
{
    /// <summary>The most that is sent or received at once.</summary>
    public const int Chunk = 256 * 1024;

    private readonly byte[] _bytes;
    private readonly int _period;

    private Payload(byte[] period)
    {
        _period = period.Length;
        _bytes = new byte[_period + Chunk];
        for (int at = 0; at < _bytes.Length; at += _period)
            period.AsSpan(0, Math.Min(_period, _bytes.Length - at)).CopyTo(_bytes.AsSpan(at));
    }

    /// <summary>Noise. Its period is a prime, so that a packet lost, doubled or swapped shows; short, so that it stays in the processor's cache.</summary>
    public static Payload Noise { get; } = new(MakeNoise(262_139));

    /// <summary>Lines of a log, several times longer than zlib's window: compresses as such files do.</summary>
    public static Payload Text { get; } = new(MakeText(2_000_003));

    /// <summary>What stands at <paramref name="position"/>.</summary>
    public ReadOnlySpan<byte> At(long position, int count) => _bytes.AsSpan((int)(position % _period), count);

    private static byte[] MakeNoise(int length)
    {
        var bytes = new byte[length];
        new Random(4253).NextBytes(bytes);
        return bytes;
    }

    private static byte[] MakeText(int length)
    {
        var random = new Random(4254);
        var words = new string[600];
        for (int i = 0; i < words.Length; i++)
            words[i] = string.Concat(Enumerable.Range(0, 1 + random.Next(4)).Select(_ => "bcdfghklmnprstvw"[random.Next(16)].ToString() + "aeiou"[random.Next(5)]));
        var text = new StringBuilder(length + 200);
        for (int line = 0; text.Length < length; line++)
        {
            text.Append("2026-01-").Append(10 + line / 40_000 % 20).Append('T').Append(10 + line / 3600 % 14).Append(':').Append(10 + line / 60 % 50)
                .Append(':').Append(10 + line % 50).Append('.').Append(random.Next(100, 1000)).Append(random.Next(4) == 0 ? "Z WARN  " : "Z INFO  ");
            for (int word = 6 + random.Next(10); word > 0; word--)
                text.Append(words[(int)(words.Length * Math.Pow(random.NextDouble(), 2.5))]).Append(' '); // a few words are used often, most seldom
            text.Append("id=").Append(random.Next()).Append('\n');
        }

        return Encoding.ASCII.GetBytes(text.ToString(0, length));
    }
}
