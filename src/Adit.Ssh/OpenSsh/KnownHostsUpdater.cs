using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.OpenSsh;

/// <summary>UpdateHostKeys: adds the server's other keys to the user's known_hosts once they are proved, and takes away those that the server has no longer. As in OpenSSH, only
/// where the lines about the host are plain: a line with patterns or more names, a marker, or a key that stands under another name too, leaves the files alone.</summary>
internal sealed class KnownHostsUpdater(KnownHostsOptions options, bool ask, int minimumRsaBits) : IHostKeyUpdater
{
    private const int MaxQuestions = 3;

    private readonly ILogger _log = options.Logger;
    private readonly KnownHostsSources _sources = new(options);

    public async ValueTask UpdateAsync(HostKeyOffer offer, CancellationToken cancellationToken)
    {
        if (offer.Current is Certificate)
        {
            _log.LogDebug("certificate host key in use; disabling UpdateHostkeys");
            return;
        }
        if (_sources.UserFiles.Count == 0)
            return;
        string name = options.HostKeyAlias?.ToLowerInvariant() ?? KnownHosts.NameOf(offer.Host, offer.Port);
        var entries = KnownHosts.Load(_sources.UserFiles, name, _log).Entries;
        if (!entries.Any(entry => entry.Key.Equals(offer.Current)))
        {
            _log.LogDebug("hostkey not known in the user's files: UpdateHostKeys has nothing to go by");
            return;
        }
        if (entries.Any(entry => !IsPlain(entry, name, offer)))
        {
            _log.LogDebug("CA/revocation marker, manual host list or wildcard host pattern found, skipping UserKnownHostsFile update");
            return;
        }
        if (!offer.Keys.Contains(offer.Current))
        {
            // Nothing is proved by such a list, and going by it would forget the key that is known.
            _log.LogDebug("the server's list lacks the host key that is in use: known_hosts stays as it is");
            return;
        }
        List<PublicKey> added = [.. offer.Keys.Where(key => (key.KeyType != "ssh-rsa" || key.Bits >= minimumRsaBits) && !entries.Any(entry => entry.Key.Equals(key)))];
        List<KnownHostsEntry> removed = [.. entries.Where(entry => !offer.Keys.Contains(entry.Key))];
        if (added.Count == 0 && removed.Count == 0)
        {
            _log.LogDebug("client_input_hostkeys: no new or deprecated keys from server");
            return;
        }
        if (added.Concat(removed.Select(entry => entry.Key)).Any(key => _sources.OtherNames(name, key).Count > 0))
        {
            _log.LogDebug("host key found matching a different name/address, skipping UserKnownHostsFile update");
            return;
        }
        if (added.Count > 0 && !await offer.ProveAsync(added, cancellationToken).ConfigureAwait(false))
            return;
        if (await IsAgreedAsync(added, removed, cancellationToken).ConfigureAwait(false))
            Write(name, added, removed);
    }

    /// <summary>A hash is one name; "host" and "host,address" are what a client writes.</summary>
    private static bool IsPlain(KnownHostsEntry entry, string name, HostKeyOffer offer) => entry.Marker == KnownHostsMarker.None
        && (entry.IsHashed || entry.Names.Equals(name, StringComparison.OrdinalIgnoreCase)
            || (offer.Address is { } address && entry.Names.Equals($"{name},{KnownHosts.NameOf(address.ToString(), offer.Port)}", StringComparison.OrdinalIgnoreCase)));

    private async ValueTask<bool> IsAgreedAsync(List<PublicKey> added, List<KnownHostsEntry> removed, CancellationToken cancellationToken)
    {
        if (ask)
            Say("The server has updated its host keys.\nThese changes were verified by the server's existing trusted key.");
        foreach (var key in added)
            Say($"Learned new hostkey: {key.TypeName} {options.Fingerprint(key)}");
        foreach (var entry in removed)
            Say($"Deprecating obsolete hostkey: {entry.Key.TypeName} {options.Fingerprint(entry.Key)}");
        if (!ask)
            return true;
        for (int i = 0; i < MaxQuestions && options.Confirm is { } confirm; i++)
        {
            string? answer = (await confirm("Accept updated hostkeys? (yes/no): ", cancellationToken).ConfigureAwait(false))?.Trim();
            if (answer is null || answer.Equals("no", StringComparison.OrdinalIgnoreCase))
                return false;
            if (answer.Equals("yes", StringComparison.OrdinalIgnoreCase))
                return true;
            Say("Please enter \"yes\" or \"no\"");
        }
        return false;
    }

    /// <summary>A person who is asked has to see what it is about; otherwise it is for whoever wants to know more.</summary>
    private void Say(string text)
    {
        if (ask)
            _log.LogInformation("{Text}", text);
        else
            _log.LogInformation(LogEvents.HostKeysUpdated, "{Text}", text);
    }

    private void Write(string name, List<PublicKey> added, List<KnownHostsEntry> removed)
    {
        try
        {
            foreach (var key in added)
                KnownHostsWriter.Append(_sources.UserFiles[0], [name], key, options.HashKnownHosts);
            foreach (var file in removed.GroupBy(entry => entry.File))
                KnownHostsWriter.Remove(file.Key, [.. file]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            _log.LogError("hostfile_replace_entries failed for {File}: {Problem}", PeerText.Escape(_sources.UserFiles[0]), FileErrors.Describe(e));
        }
    }
}
