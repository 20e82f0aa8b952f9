using Adit.Server.Users;
using Adit.Ssh;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;
using Microsoft.Extensions.Logging;
using L = Adit.Server.Configuration.LoginKeywords;

namespace Adit.Server.Authentication;

/// <summary>Whether a key or certificate lets an account in, and with which rights: asked at login, and again when something has changed since.</summary>
internal sealed class KeyAcceptance(ILogger logger, TimeProvider clock, LoginCommands commands)
{
    private readonly AuthorizedKeysLookup _keys = new(logger, clock);
    private readonly UserCertificates _certificates = new(logger, clock);

    /// <summary>What the files say, then what the programs say that the configuration names, which run only where it is needed. Null when it does not let in.</summary>
    public async ValueTask<(LoginRights? Rights, CommandAnswers Answers)> FindAsync(KeyQuestion question, CancellationToken cancellationToken)
    {
        if (question.Key is Certificate certificate && LoginCommands.HasPrincipals(question.Config)
            && await BlockingWork.RunOrLeaveAsync(() => !IsRevoked(question) && _certificates.IsTrusted(question, certificate), cancellationToken).ConfigureAwait(false))
        {
            var said = await commands.PrincipalsAsync(question, certificate, cancellationToken).ConfigureAwait(false);
            question = question with { Answers = question.Answers with { Principals = said } };
        }

        var rights = await BlockingWork.RunOrLeaveAsync(() => Find(question), cancellationToken).ConfigureAwait(false);
        if (rights is not null || !LoginCommands.HasKeys(question.Config) || await BlockingWork.RunOrLeaveAsync(() => IsRevoked(question), cancellationToken).ConfigureAwait(false))
        {
            return (rights, question.Answers);
        }

        var answers = question.Answers with { Keys = await commands.KeysAsync(question, cancellationToken).ConfigureAwait(false) };
        question = question with { Answers = answers };
        return (_keys.FindAnswered(question), answers);
    }

    /// <summary>As far as files, and the answers that programs gave already, say. Holds the thread while it reads files.</summary>
    public LoginRights? Find(KeyQuestion question) => IsRevoked(question)
        ? null
        : (question.Key is Certificate certificate ? _certificates.Find(question, certificate) : null) ?? _keys.Find(question) ?? _keys.FindAnswered(question);

    /// <summary>A list that cannot be read revokes every key: nobody knows what it would have said.</summary>
    private bool IsRevoked(KeyQuestion question)
    {
        var path = question.Config.Get(L.RevokedKeys);
        if (path.Equals("none", StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        try
        {
            if (!RevokedKeys.Load(path, logger).Contains(question.Key))
            {
                return false;
            }

            logger.LogError("Authentication key {Key} revoked by file {Path}", question.Key, path);
        }
        catch (SshException error)
        {
            logger.LogError("Error checking authentication key {Key} in revoked keys file {Path}: {Reason}", question.Key, path, error.Message);
        }

        return true;
    }
}
