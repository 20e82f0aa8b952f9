using System.Net.Sockets;
using System.Security.Cryptography;

namespace Adit.Interop.Tests.Harness;

/// <summary>
/// The data that tests send: random-looking (compression gains nothing), the same in every run, different in the two directions.
/// </summary>
internal static class Payload
{
    public const int MiB = 1024 * 1024;

    private const int ChunkSize = 128 * 1024;

    private static readonly byte[] Up = Generate(1);
    private static readonly byte[] Down = Generate(2);
    private static readonly byte[] Text = GenerateText();

    public static ReadOnlyMemory<byte> Take(int length, bool up = true) => (up ? Up : Down).AsMemory(0, length);

    /// <summary>Sends <paramref name="length"/> bytes of one direction's data.</summary>
    public static async Task SendAsync(Socket socket, long length, bool up, CancellationToken cancellation, bool compressible = false)
    {
        byte[] source = compressible ? Text : up ? Up : Down;
        for (long sent = 0; sent < length;)
        {
            int offset = (int)(sent % source.Length);
            int count = (int)Math.Min(Math.Min(ChunkSize, length - sent), source.Length - offset);
            sent += await socket.SendAsync(source.AsMemory(offset, count), SocketFlags.None, cancellation);
        }
    }

    /// <summary>Receives until the end of the stream and fails unless exactly the other side's data came: every byte is compared, and the hash of all.</summary>
    public static async Task ReceiveAsync(Socket socket, long length, bool up, CancellationToken cancellation, bool compressible = false)
    {
        byte[] expected = compressible ? Text : up ? Up : Down;
        byte[] buffer = new byte[ChunkSize];
        using var received = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long total = 0;
        while (await socket.ReceiveAsync(buffer, SocketFlags.None, cancellation) is var count and > 0)
        {
            received.AppendData(buffer, 0, count);
            Compare(expected, buffer.AsSpan(0, count), total);
            total += count;
            Assert.True(total <= length, $"more than the {length} bytes that were sent");
        }

        Assert.True(total == length, $"the stream ended after {total} of {length} bytes");
        Assert.Equal(HashOf(expected, length), received.GetHashAndReset());
    }

    private static void Compare(byte[] expected, ReadOnlySpan<byte> actual, long position)
    {
        while (!actual.IsEmpty)
        {
            int offset = (int)(position % expected.Length);
            int count = Math.Min(actual.Length, expected.Length - offset);
            int same = expected.AsSpan(offset, count).CommonPrefixLength(actual[..count]);
            Assert.True(same == count, $"byte {position + same} differs");
            actual = actual[count..];
            position += count;
        }
    }

    private static byte[] HashOf(byte[] source, long length)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (long done = 0; done < length;)
        {
            int count = (int)Math.Min(source.Length, length - done);
            hash.AppendData(source, 0, count);
            done += count;
        }

        return hash.GetHashAndReset();
    }

    // A length that is no multiple of any packet or buffer size: a chunk repeated or lost cannot look right.
    private static byte[] Generate(int seed)
    {
        byte[] data = new byte[16 * MiB + 12_347];
        new Random(seed).NextBytes(data);
        return data;
    }

    private static byte[] GenerateText()
    {
        var random = new Random(3);
        string[] words = ["tunnel ", "gallery ", "shaft ", "lamp ", "ore ", "water ", "timber ", "rail ", "\n"];
        byte[] data = new byte[4 * MiB + 4_099];
        for (int filled = 0; filled < data.Length;)
        {
            foreach (char letter in words[random.Next(words.Length)])
            {
                if (filled < data.Length)
                {
                    data[filled++] = (byte)letter;
                }
            }
        }

        return data;
    }
}
