using System.Text;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Authentication;

/// <summary>Finds a key in text with one key per line.</summary>
internal static class KeyLines
{
    /// <summary>The lines for exactly this key, in order, one at a time. A line that cannot be used as it stands is logged and left out.</summary>
    public static IEnumerable<AuthorizedKeyEntry> Find(byte[] content, string path, PublicKey key, ILogger logger)
    {
        // Most lines hold other keys: only those with this one's text are worth taking apart.
        var text = Encoding.ASCII.GetBytes(Convert.ToBase64String(key.Blob.Span));
        var (number, start) = (0, 0);
        while (start < content.Length)
        {
            number++;
            var length = content.AsSpan(start).IndexOf((byte)'\n');
            var bytes = content.AsSpan(start, length < 0 ? content.Length - start : length);
            start += bytes.Length + 1;
            if (bytes.IndexOf(text) < 0)
            {
                continue;
            }

            if (AuthorizedKeys.ParseLine(Encoding.UTF8.GetString(bytes), path, number, out var problem) is { } entry)
            {
                if (entry.Key.Equals(key))
                {
                    yield return entry;
                }
            }
            else if (problem is not null)
            {
                logger.LogInformation("{Path}:{Line}: the line for {Key} is not used: {Problem}", PeerText.Escape(path), number, key, PeerText.Escape(problem, 200));
            }
        }
    }
}
