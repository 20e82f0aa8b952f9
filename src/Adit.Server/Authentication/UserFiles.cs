using System.Globalization;
using Adit.Server.Configuration;
using Adit.Server.Users;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Authentication;

/// <summary>Files that sshd_config(5) names per user, by patterns with tokens: where they are, and what is in them.</summary>
internal sealed class UserFiles(ILogger logger)
{
    /// <summary>Bytes; more than a hundred thousand keys.</summary>
    private const int MaxFileSize = 16 * 1024 * 1024;

    /// <summary>The files' absolute paths; none when the keyword says "none".</summary>
    public static IEnumerable<string> Paths(UserAccount account, IReadOnlyList<string> patterns)
    {
        if (patterns is [var only] && only.Equals("none", StringComparison.OrdinalIgnoreCase))
        {
            yield break;
        }

        // The tokens of ValueReaders.UserFileTokens.
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

    /// <summary>The file's bytes, or null when it does not exist or may not be used, which is logged.</summary>
    /// <param name="what">What OpenSSH's log calls it: "authorized keys".</param>
    public byte[]? Read(UserAccount account, SshdConfig config, string path, string what)
    {
        var file = UserFile.Read(path, account, config.Get(K.StrictModes), MaxFileSize);
        if (file.Content is { } content)
        {
            return content;
        }

        var (user, shown) = (PeerText.Escape(account.Name, 100), PeerText.Escape(path, 1024));
        if (file.Problem is not { } problem)
        {
            logger.LogDebug("Could not open user '{User}' {What} '{Path}': No such file or directory", user, what, shown);
        }
        else if (problem.StartsWith("Authentication refused", StringComparison.Ordinal))
        {
            logger.LogInformation("{Problem}", PeerText.Escape(problem, 1200));
        }
        else
        {
            logger.LogError("Could not open user '{User}' {What} '{Path}': {Problem}", user, what, shown, PeerText.Escape(problem, 1200));
        }

        return null;
    }
}
