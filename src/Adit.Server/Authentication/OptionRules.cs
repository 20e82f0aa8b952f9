using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Authentication;

/// <summary>Whether the options of a key, or of a certificate, let it be used now and from there: from, expiry-time, source-address.</summary>
internal sealed class OptionRules(ILogger logger, TimeProvider clock)
{
    /// <summary>False with a line in the log, and one for the client, when the options forbid this login.</summary>
    /// <param name="options">The options in front of the key, or of a principal.</param>
    /// <param name="mayBeAuthority">The line is about a certificate's authority.</param>
    /// <param name="question">Who asks.</param>
    /// <param name="place">Where the options stand: "FILE:LINE".</param>
    public bool Allow(AuthorizedKeyOptions options, bool mayBeAuthority, KeyQuestion question, string place)
    {
        if (options.ExpiryTime is { } expiry && expiry <= clock.GetUtcNow())
        {
            var line = $"{place}: entry expired at {KeyRights.Show(expiry)}";
            logger.LogDebug("{Line}", line);
            question.Notes.Add(line);
            return false;
        }

        if (options.CertAuthority && !mayBeAuthority)
        {
            var line = $"{place}: 'cert-authority' set but not permitted in this context";
            logger.LogDebug("{Line}", line);
            question.Notes.Add(line);
            return false;
        }

        var (host, address) = (PeerText.Escape(question.Origin.Host, 200), PeerText.Escape(question.Origin.Address, 200));
        if (options.AllowsSource(question.Origin.Address, question.Origin.Host))
        {
            return true;
        }

        logger.LogInformation("{Place}: Authentication tried for {User} with correct key but not from a permitted host (host={Host}, ip={Address}, required={Required}).",
            place, PeerText.Escape(question.Account.Name, 100), host, address, PeerText.Escape(options.From!, 200));
        question.Notes.Add($"{place}: Your host '{host}' is not permitted to use this key for login.");
        return false;
    }

    /// <summary>What a certificate gives, or null with a line in the log, and one for the client, when its own options forbid this login.</summary>
    public LoginRights? Allow(Certificate certificate, KeyQuestion question)
    {
        var rights = KeyRights.Of(certificate, out var fault);
        if (rights is not null && certificate.CriticalOptions.FirstOrDefault(option => option.Name == KeyRights.SourceAddress) is { } source)
        {
            fault = FindSourceFault(source, question);
        }

        if (fault is null)
        {
            return rights;
        }

        logger.LogError("{Fault}", PeerText.Escape(fault));
        question.Notes.Add(fault);
        return null;
    }

    private string? FindSourceFault(CertificateOption source, KeyQuestion question)
    {
        var address = question.Origin.Address;
        try
        {
            if (source.Text is { } list && AddressPatternList.Parse(list, networksOnly: true).Match(address) == PatternMatch.Matched)
            {
                return null;
            }
        }
        catch (Ssh.SshException error)
        {
            return $"Certificate source-address is malformed: {error.Message}";
        }

        logger.LogInformation("Authentication tried for {User} with valid certificate but not from a permitted source address ({Address}).",
            PeerText.Escape(question.Account.Name, 100), PeerText.Escape(address, 200));
        return $"Certificate source-address does not permit {PeerText.Escape(address, 200)}";
    }
}
