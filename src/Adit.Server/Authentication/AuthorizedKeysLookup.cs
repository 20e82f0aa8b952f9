using System.Globalization;
using System.Text;
using Adit.Server.Configuration;
using Adit.Server.Users;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Authentication;

/// <summary>Finds a key in a user's authorized_keys files (sshd(8), AUTHORIZED_KEYS FILE FORMAT). Options are not supported yet: a line that has any does not count,
/// since every one of them may restrict.</summary>
internal sealed class AuthorizedKeysLookup(ILogger logger)
{
    /// <summary>Bytes; more than a hundred thousand keys.</summary>
    private const int MaxFileSize = 16 * 1024 * 1024;

    /// <summary>True when one of the account's files has a line for exactly this key.</summary>
    public bool Contains(UserAccount account, SshdConfig config, PublicKey key)
    {
        foreach (var path in Files(account, config.Get(K.AuthorizedKeysFile)))
        {
            var file = UserFile.Read(path, account, config.Get(K.StrictModes), MaxFileSize);
            if (file.Content is null)
            {
                Report(account, path, file.Problem);
            }
            else if (Find(file.Content, path, key))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The files' absolute paths; none when the keyword says "none".</summary>
    internal static IEnumerable<string> Files(UserAccount account, IReadOnlyList<string> patterns)
    {
        if (patterns is [var only] && only.Equals("none", StringComparison.OrdinalIgnoreCase))
        {
            yield break;
        }

        var tokens = new TokenExpander(
        [
            new('h', account.HomeDirectory),
            new('u', account.Name),
            new('U', account.Uid.ToString(CultureInfo.InvariantCulture)),
        ]);
        foreach (var pattern in patterns)
        {
            // A relative home would make it relative to wherever the server was started.
            var path = Path.Combine(account.HomeDirectory, tokens.Expand(pattern));
            if (path.StartsWith('/'))
            {
                yield return path;
            }
        }
    }

    private void Report(UserAccount account, string path, string? problem)
    {
        var shown = PeerText.Escape(path, 1024);
        if (problem is null)
        {
            logger.LogDebug("Could not open user '{User}' authorized keys '{Path}': No such file or directory", account.Name, shown);
        }
        else if (problem.StartsWith("Authentication refused", StringComparison.Ordinal))
        {
            logger.LogInformation("{Problem}", PeerText.Escape(problem, 1200));
        }
        else
        {
            logger.LogError("Could not open user '{User}' authorized keys '{Path}': {Problem}", account.Name, shown, PeerText.Escape(problem, 1200));
        }
    }

    private bool Find(byte[] content, string path, PublicKey key)
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
                    logger.LogDebug("Accepted key {Key} found at {Path}:{Line}", key, PeerText.Escape(path), number);
                    return true;
                }

                problem = $"key options are not supported yet: {PeerText.Escape(entry.Options.Text, 200)}";
            }

            if (problem is not null)
            {
                logger.LogInformation("{Path}:{Line}: the line for {Key} is not used: {Problem}", PeerText.Escape(path), number, key, problem);
            }
        }

        return false;
    }
}
