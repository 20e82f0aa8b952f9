using Adit.Server.Configuration;
using Adit.Ssh;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Authentication;

/// <summary>Finds a key, or the authority of a certificate, in a user's authorized_keys files (sshd(8), AUTHORIZED_KEYS FILE FORMAT). Files and lines are tried in
/// their order; a line whose options forbid this login is passed over, and the first that does not decides what the login may do.</summary>
internal sealed class AuthorizedKeysLookup(ILogger logger, TimeProvider clock)
{
    private readonly UserFiles _files = new(logger);
    private readonly OptionRules _rules = new(logger, clock);

    /// <summary>What the key's line gives, or null when none lets it in.</summary>
    public LoginRights? Find(KeyQuestion question)
    {
        foreach (var path in UserFiles.Paths(question.Account, question.Config.Get(K.AuthorizedKeysFile)))
        {
            if (FindIn(_files.Read(question.Account, question.Config, path, "authorized keys") ?? [], path, question) is { } rights)
            {
                return rights;
            }
        }

        return null;
    }

    /// <summary>The same, in what AuthorizedKeysCommand printed.</summary>
    public LoginRights? FindAnswered(KeyQuestion question) =>
        question.Answers.Keys is { } lines ? FindIn(lines, question.Config.Get(LoginKeywords.AuthorizedKeysCommand), question) : null;

    private LoginRights? FindIn(byte[] content, string path, KeyQuestion question)
    {
        var certificate = question.Key as Certificate;
        foreach (var entry in KeyLines.Find(content, path, certificate?.AuthorityKey ?? question.Key, logger))
        {
            // A line about an authority says nothing about the authority's own key, and a certificate needs such a line.
            if (entry.Options.CertAuthority != certificate is not null)
            {
                continue;
            }

            var place = $"{PeerText.Escape(path)}:{entry.Line}";
            if (Accept(entry.Options, place, question, certificate) is { } rights)
            {
                if (certificate is null)
                {
                    logger.LogDebug(question.Event, "Accepted key {Key} found at {Place}", question.Key, place);
                }

                question.Notes.Add($"{place}: key options:{rights}");
                return rights;
            }
        }

        return null;
    }

    private LoginRights? Accept(AuthorizedKeyOptions options, string place, KeyQuestion question, Certificate? certificate)
    {
        if (!_rules.Allow(options, mayBeAuthority: certificate is not null, question, place))
        {
            logger.LogInformation("Refused by key options");
            return null;
        }

        var rights = KeyRights.Of(options, place, question.Config);
        if (certificate is null)
        {
            return rights;
        }

        if (_rules.Allow(certificate, question) is not { } more)
        {
            return null;
        }

        if (rights.And(more) is not { } both)
        {
            return Refuse("Forced command options do not match", question);
        }

        // INVARIANTS 11: the name is compared exactly, and an empty list of principals matches nobody.
        var fault = UserCertificates.FindFault(certificate, options.Principals ?? [question.Account.Name], question.Config, clock.GetUtcNow());
        if (fault is not null)
        {
            return Refuse(options.Principals is not null && fault == UserCertificates.NotNamed ? UserCertificates.NotListed : fault, question);
        }

        if (!question.IsReview)
        {
            logger.LogDebug(LogEvents.Connection, "Accepted certificate ID \"{Id}\" (serial {Serial}) signed by CA {Authority} found at {Place}", PeerText.Escape(certificate.KeyId, 200),
                certificate.Serial, certificate.AuthorityKey, place);
        }

        return both;
    }

    private LoginRights? Refuse(string fault, KeyQuestion question)
    {
        logger.LogError("{Fault}", PeerText.Escape(fault));
        question.Notes.Add(PeerText.Escape(fault));
        return null;
    }
}
