using System.Text;
using Adit.Server.Configuration;
using Adit.Ssh;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Authentication;

/// <summary>Lets in who shows a certificate of an authority in TrustedUserCAKeys, made out to the account's name or to one of AuthorizedPrincipalsFile.</summary>
internal sealed class UserCertificates(ILogger logger, TimeProvider clock)
{
    /// <summary>The name looked for is not in the certificate.</summary>
    public const string NotNamed = "Certificate invalid: name is not a listed principal";

    /// <summary>None of a list of names is in it.</summary>
    public const string NotListed = "Certificate does not contain an authorized principal";

    private const int MaxFileSize = 16 * 1024 * 1024;

    private readonly UserFiles _files = new(logger);
    private readonly OptionRules _rules = new(logger, clock);

    /// <summary>What the certificate gives, together with the options of the principal's line; null when it does not let in, which is logged.</summary>
    public LoginRights? Find(KeyQuestion question, Certificate certificate)
    {
        var authorities = question.Config.Get(K.TrustedUserCaKeys);
        if (authorities.Equals("none", StringComparison.OrdinalIgnoreCase) || !IsTrusted(certificate.AuthorityKey, authorities))
        {
            logger.LogDebug("CA {Authority} is not listed in TrustedUserCAKeys {File}", certificate.AuthorityKey, authorities);
            return null;
        }

        var rights = Check(question, certificate, out var fault);
        if (rights is null)
        {
            if (fault is not null)
            {
                logger.LogError("{Fault}", PeerText.Escape(fault));
                question.Notes.Add(PeerText.Escape(fault));
            }

            return null;
        }

        if (!question.IsReview)
        {
            logger.LogDebug(LogEvents.Connection, "Accepted certificate ID \"{Id}\" (serial {Serial}) signed by {Type} CA {Fingerprint} via {File}", PeerText.Escape(certificate.KeyId, 200),
                certificate.Serial, certificate.AuthorityKey.TypeName, certificate.AuthorityKey.Fingerprint, authorities);
        }

        return rights;
    }

    /// <summary>Whether its authority may let this user in at all.</summary>
    public bool IsTrusted(KeyQuestion question, Certificate certificate) =>
        question.Config.Get(K.TrustedUserCaKeys) is var authorities && !authorities.Equals("none", StringComparison.OrdinalIgnoreCase)
        && IsTrusted(certificate.AuthorityKey, authorities);

    /// <summary>INVARIANTS 11: names are compared exactly, and an empty list of principals matches nobody. Null when the certificate is good for one of the names.</summary>
    public static string? FindFault(Certificate certificate, IEnumerable<string> principals, SshdConfig config, DateTimeOffset now)
    {
        var fault = NotListed;
        foreach (var principal in principals)
        {
            if (certificate.FindFault(CertificateType.User, principal, now, KeyRights.EnforcedOptions, config.Get(K.CaSignatureAlgorithms).Names) is not { } found)
            {
                return null;
            }

            fault = found;
        }

        return fault;
    }

    /// <summary>A null <paramref name="fault"/> beside a null result: it was logged already.</summary>
    private LoginRights? Check(KeyQuestion question, Certificate certificate, out string? fault)
    {
        var principals = FindPrincipals(question, certificate);
        fault = FindFault(certificate, principals.Name is { } name ? [name] : [], question.Config, clock.GetUtcNow());
        if (fault is not null || _rules.Allow(certificate, question) is not { } rights)
        {
            return null;
        }

        if (principals.Line is not { } line)
        {
            return rights;
        }

        if (!_rules.Allow(line.Options, mayBeAuthority: false, question, line.Place))
        {
            return null;
        }

        var both = KeyRights.Of(line.Options, line.Place, question.Config).And(rights);
        fault = both is null ? "Forced command options do not match" : null;
        return both;
    }

    private bool IsTrusted(PublicKey authority, string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read);
            if (file.Length > MaxFileSize)
            {
                logger.LogError("TrustedUserCAKeys {Path} is larger than {Limit} bytes", path, MaxFileSize);
                return false;
            }

            var content = new byte[file.Length];
            file.ReadExactly(content);

            // The file holds keys alone: what options in front of one would mean is said nowhere, so such a line does not count.
            return KeyLines.Find(content, path, authority, logger).Any(entry => entry.Options.IsEmpty);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            logger.LogError("TrustedUserCAKeys {Path} cannot be read: {Reason}", path, FileErrors.Describe(error));
            return false;
        }
    }

    /// <summary>The name that stands for the account: its own, or the first of its AuthorizedPrincipalsFile that the certificate has. That line's options count too.</summary>
    private (string? Name, (AuthorizedKeyOptions Options, string Place)? Line) FindPrincipals(KeyQuestion question, Certificate certificate)
    {
        var pattern = question.Config.Get(K.AuthorizedPrincipalsFile);
        var hasFile = !pattern.Equals("none", StringComparison.OrdinalIgnoreCase);
        if (!hasFile && question.Config.Get(LoginKeywords.AuthorizedPrincipalsCommand).Equals("none", StringComparison.OrdinalIgnoreCase))
        {
            return (question.Account.Name, null);
        }

        foreach (var path in hasFile ? UserFiles.Paths(question.Account, [pattern]) : [])
        {
            if (FindIn(_files.Read(question.Account, question.Config, path, "authorized principals") ?? [], path, certificate) is { Name: not null } found)
            {
                return found;
            }
        }

        return question.Answers.Principals is { } lines ? FindIn(lines, question.Config.Get(LoginKeywords.AuthorizedPrincipalsCommand), certificate) : (null, null);
    }

    private (string? Name, (AuthorizedKeyOptions Options, string Place)? Line) FindIn(byte[] content, string path, Certificate certificate)
    {
        var number = 0;
        foreach (var text in Encoding.UTF8.GetString(content).Split('\n'))
        {
            number++;
            var place = $"{PeerText.Escape(path)}:{number}";
            if (ReadLine(text, place) is var (name, options) && certificate.Principals.Contains(name, StringComparer.Ordinal))
            {
                return (name, (options, place));
            }
        }

        return (null, null);
    }

    /// <summary>"[options] name". Null for an empty line, and for one whose options are bad, which is logged.</summary>
    private (string Name, AuthorizedKeyOptions Options)? ReadLine(string text, string place)
    {
        var line = text.AsSpan().Trim(" \t\r");
        if (line.IsEmpty || line[0] == '#')
        {
            return null;
        }

        var length = AuthorizedKeyOptionsParser.FieldLength(line);
        var rest = length < 0 ? [] : line[length..].TrimStart(" \t");
        var field = rest.IsEmpty || rest[0] == '#' ? "" : line[..length].ToString();
        var name = field.Length == 0 ? line : rest;
        if (name.IndexOf('#') is >= 0 and var comment)
        {
            name = name[..comment].TrimEnd(" \t");
        }

        string? problem = null;
        var options = field.Length == 0 ? AuthorizedKeyOptions.None : AuthorizedKeyOptionsParser.Parse(field, out problem);
        if (options is null || length < 0 || name.ContainsAny(" \t"))
        {
            logger.LogInformation("{Place}: bad principals options: {Problem}", place, problem ?? "more than one name");
            return null;
        }

        return (name.ToString(), options);
    }
}
