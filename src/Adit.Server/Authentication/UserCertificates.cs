using System.Text;
using Adit.Server.Configuration;
using Adit.Server.Users;
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
    private const string SourceAddress = "source-address";
    private const int MaxFileSize = 16 * 1024 * 1024;

    private readonly UserFiles _files = new(logger);

    /// <summary>Whether the certificate lets <paramref name="account"/> in from <paramref name="address"/>. What it does not is logged.</summary>
    public bool Accepts(Certificate certificate, UserAccount account, SshdConfig config, string address)
    {
        var authorities = config.Get(K.TrustedUserCaKeys);
        if (authorities.Equals("none", StringComparison.OrdinalIgnoreCase) || !IsTrusted(certificate.AuthorityKey, authorities))
        {
            logger.LogDebug("CA {Authority} is not listed in TrustedUserCAKeys {File}", certificate.AuthorityKey, authorities);
            return false;
        }

        // INVARIANTS 11: the name is compared exactly, and an empty list of principals matches nobody.
        string? fault = null;
        foreach (var principal in Principals(account, config))
        {
            fault = certificate.FindFault(CertificateType.User, principal, clock.GetUtcNow(), [SourceAddress], config.Get(K.CaSignatureAlgorithms).Names)
                ?? FindSourceFault(certificate, address);
            if (fault is null)
            {
                logger.LogInformation("Accepted certificate ID \"{Id}\" (serial {Serial}) signed by {Authority} via {File}", PeerText.Escape(certificate.KeyId, 200),
                    certificate.Serial, certificate.AuthorityKey, authorities);
                return true;
            }
        }

        logger.LogError("{Fault}", PeerText.Escape(fault ?? "Certificate does not contain an authorized principal"));
        return false;
    }

    private static string? FindSourceFault(Certificate certificate, string address)
    {
        if (certificate.FindOption(SourceAddress) is not { } option)
        {
            return null;
        }

        try
        {
            return option.Text is { } list && AddressPatternList.Parse(list, networksOnly: true).Match(address) == PatternMatch.Matched
                ? null
                : $"Certificate source-address does not permit {address}";
        }
        catch (SshException error)
        {
            return $"Certificate source-address is malformed: {error.Message}";
        }
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
            return KeyLines.Find(content, path, authority, logger) > 0;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            logger.LogError("TrustedUserCAKeys {Path} cannot be read: {Reason}", path, FileErrors.Describe(error));
            return false;
        }
    }

    /// <summary>Names that stand for the account: its own, or those of its AuthorizedPrincipalsFile where there is one. A line with options does not count yet.</summary>
    private List<string> Principals(UserAccount account, SshdConfig config)
    {
        var pattern = config.Get(K.AuthorizedPrincipalsFile);
        if (pattern.Equals("none", StringComparison.OrdinalIgnoreCase))
        {
            return [account.Name];
        }

        var names = new List<string>();
        foreach (var path in UserFiles.Paths(account, [pattern]))
        {
            var number = 0;
            foreach (var line in Encoding.UTF8.GetString(_files.Read(account, config, path, "authorized principals") ?? []).Split('\n'))
            {
                number++;
                var name = (line.IndexOf('#') is >= 0 and var comment ? line[..comment] : line).Trim(' ', '\t', '\r');
                if (name.AsSpan().ContainsAny(" \t"))
                {
                    logger.LogInformation("{Path}:{Line}: the line is not used: options are not supported yet", PeerText.Escape(path), number);
                }
                else if (name.Length > 0)
                {
                    names.Add(name);
                }
            }
        }

        return names;
    }
}
