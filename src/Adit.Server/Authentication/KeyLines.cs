using System.Text;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Authentication;

/// <summary>Finds a key in text with one key per line. Options are not supported yet: a line that has any does not count, since every one of them may restrict.</summary>
internal static class KeyLines
{
    /// <summary>The number of the first line for exactly this key, or 0.</summary>
    public static int Find(byte[] content, string path, PublicKey key, ILogger logger)
    {
        // Most lines hold other keys: only those with this one's text are worth taking apart.
        var text = Convert.ToBase64String(key.Blob.Span);
        var number = 0;
        foreach (var range in content.AsSpan().Split((byte)'\n'))
        {
            number++;
            var line = Encoding.UTF8.GetString(content.AsSpan(range));
            if (!line.Contains(text, StringComparison.Ordinal))
            {
                continue;
            }

            if (AuthorizedKeys.ParseLine(line, path, number, out var problem) is { } entry)
            {
                if (entry.Options.IsEmpty && entry.Key.Equals(key))
                {
                    return number;
                }

                problem = $"key options are not supported yet: {PeerText.Escape(entry.Options.Text, 200)}";
            }

            if (problem is not null)
            {
                logger.LogInformation("{Path}:{Line}: the line for {Key} is not used: {Problem}", PeerText.Escape(path), number, key, problem);
            }
        }

        return 0;
    }
}
