using Adit.Server.Configuration;
using Adit.Server.Users;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Authentication;

/// <summary>Finds a key in a user's authorized_keys files (sshd(8), AUTHORIZED_KEYS FILE FORMAT).</summary>
internal sealed class AuthorizedKeysLookup(ILogger logger)
{
    private readonly UserFiles _files = new(logger);

    /// <summary>True when one of the account's files has a line for exactly this key.</summary>
    public bool Contains(UserAccount account, SshdConfig config, PublicKey key)
    {
        foreach (var path in UserFiles.Paths(account, config.Get(K.AuthorizedKeysFile)))
        {
            if (_files.Read(account, config, path, "authorized keys") is { } content && KeyLines.Find(content, path, key, logger) is > 0 and var line)
            {
                logger.LogDebug("Accepted key {Key} found at {Path}:{Line}", key, PeerText.Escape(path), line);
                return true;
            }
        }

        return false;
    }
}
