using System.Net;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.OpenSsh;

/// <summary>Verifies host keys as ssh(1) does: known_hosts files, StrictHostKeyChecking, and a person who may be asked.</summary>
internal sealed class KnownHostsVerifier(KnownHostsOptions options) : IHostKeyVerifier
{
    private const int MaxQuestions = 100;

    private readonly KnownHostsSources _sources = new(options);
    private readonly IReadOnlyList<string> _userFiles = options.UserFilesOrDefault;
    private readonly ILogger _log = options.Logger;

    public IReadOnlyList<string> KnownKeyTypes(string host, int port)
    {
        var entries = _sources.Load(new KnownHostsQuery("ORDER", HostName(host, port), null)).Entries;
        return HostKeyTypes.Order(entries);
    }

    public async ValueTask VerifyAsync(HostKeyContext context, CancellationToken cancellationToken)
    {
        bool local = context.Address is { } address && IPAddress.IsLoopback(address);
        LogKey(context.Key);
        CheckRevokedFiles(context);
        if (options.NoHostAuthenticationForLocalhost && local && options.HostKeyAlias is null)
        {
            _log.LogDebug("Forcing accepting of host key for loopback/localhost.");
            return;
        }

        string name = HostName(context.Host, context.Port);
        var known = _sources.Load(new KnownHostsQuery("HOSTNAME", name, context.Key));
        var check = new Check(context, context.Key.PlainKey, name, known, AddressName(context, local));
        if (context.Key is Certificate certificate && VerifyCertificate(check, certificate))
            return;
        await VerifyPlainAsync(check, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>RevokedHostKeys holds under every policy.</summary>
    private void CheckRevokedFiles(HostKeyContext context)
    {
        var key = context.Key;
        foreach (string file in options.RevokedHostKeys)
        {
            string why;
            try
            {
                if (!RevokedKeys.Load(file, _log).Contains(key))
                    continue;
                why = $"is revoked by {file}.";
                Error($"Host key {key.TypeName} {options.Fingerprint(key)} revoked by file {file}");
            }
            catch (SshException e)
            {
                why = $"could not be looked up in {file} ({e.Message}), so that it may be revoked.";
                Error($"Error checking host key {key.TypeName} {options.Fingerprint(key)} in revoked keys file {file}: {e.Message}");
            }
            throw new SshException(SshError.HostKeyRevoked, "Host key verification failed.")
            {
                Hint = $"The {key.TypeName} key {options.Fingerprint(key)} that {PeerText.Escape(context.Host)} presented {why}",
                DisconnectReason = DisconnectReason.HostKeyNotVerifiable,
            };
        }
    }

    /// <summary>False where no authority vouches for the host under this name: the key inside the certificate is then looked up like any other.</summary>
    private bool VerifyCertificate(Check check, Certificate certificate)
    {
        if (VerifyCertificate(check, certificate, check.Known))
            return true;
        if (BareNames(check) is { } bare && VerifyCertificate(check, certificate, bare))
        {
            _log.LogDebug("found matching key w/out port");
            return true;
        }
        _log.LogDebug("No matching CA found. Retry with plain key");
        return false;
    }

    private bool VerifyCertificate(Check check, Certificate certificate, KnownHosts known)
    {
        var result = known.FindAuthority(certificate, certificate.AuthorityKey);
        if (result.Status == KnownHostStatus.Revoked)
        {
            HandleRevoked(check, result.Entry!);
            return true;
        }
        if (result.Status != KnownHostStatus.Ok)
            return false;
        _log.LogDebug("Host '{Host}' is known and matches the {Type} host certificate.", PeerText.Escape(known.Name), certificate.TypeName);
        _log.LogDebug("Found CA key in {File}:{Line}", result.Entry!.File, result.Entry.Line);
        string principal = options.HostKeyAlias ?? check.Context.Host.ToLowerInvariant();
        string? fault = certificate.FindFault(CertificateType.Host, principal, options.TimeProvider.GetUtcNow(), [], options.CASignatureAlgorithms);
        if (fault is not null)
            Error(fault);
        return fault is null;
    }

    private async ValueTask VerifyPlainAsync(Check check, CancellationToken cancellationToken)
    {
        var result = check.Known.Find(check.Key);
        if (result.Status == KnownHostStatus.Unknown && BareNames(check) is { } bare)
        {
            _log.LogDebug("checking without port identifier");
            var without = bare.Find(check.Key);
            if (without.Status == KnownHostStatus.Ok)
            {
                LogFound(check with { Name = bare.Name }, without.Entry!);
                _log.LogDebug("found matching key w/out port");
                return;
            }
            if (without.Status == KnownHostStatus.Revoked)
                result = without;
        }

        // What is known under the address counts only with CheckHostIP, and never for loopback, where the address says nothing about the host.
        KnownHosts? addressKnown = check.Address.IsChecked ? _sources.Load(new KnownHostsQuery("ADDRESS", check.Address.Name, check.Context.Key)) : null;
        var addressResult = addressKnown?.Find(check.Key);
        switch (result.Status)
        {
            case KnownHostStatus.Ok:
                LogFound(check, result.Entry!);
                if (options.Draw is { } draw)
                    Info($"Host key fingerprint is {options.Fingerprint(check.Key)}\n{draw(check.Key)}");
                if (addressResult is { Status: KnownHostStatus.Unknown })
                    AddAddress(check);
                break;
            case KnownHostStatus.Unknown:
                await HandleUnknownAsync(check, addAddress: addressResult is { Status: KnownHostStatus.Unknown }, cancellationToken).ConfigureAwait(false);
                break;
            case KnownHostStatus.Changed:
                HandleChanged(check, result.Entry!, addressResult);
                break;
            case KnownHostStatus.Revoked:
                HandleRevoked(check, result.Entry!);
                break;
        }
        if (addressResult is { Status: KnownHostStatus.Revoked } revoked)
            HandleRevoked(check, revoked.Entry!);
        else if (addressResult is { Status: KnownHostStatus.Changed } differs && result.Status != KnownHostStatus.Changed)
            await HandleAddressDiffersAsync(check, differs.Entry!, result.Entry, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask HandleUnknownAsync(Check check, bool addAddress, CancellationToken cancellationToken)
    {
        if (options.Policy == HostKeyPolicy.Yes)
        {
            Error($"No {check.Key.TypeName} host key is known for {check.ShownName} and you have requested strict checking.");
            throw Refused(SshError.HostKeyUnknown, check, "is not known, and StrictHostKeyChecking is yes. " + HowToAdd(check));
        }
        if (options.Policy == HostKeyPolicy.Ask)
        {
            string question = HostKeyReport.Question(check.Key, check.Name, check.Address.Name, _sources.OtherNames(check.Name, check.Key), options);
            if (!await ConfirmAsync(question, options.Fingerprint(check.Key), cancellationToken).ConfigureAwait(false))
            {
                throw Refused(SshError.HostKeyUnknown, check, options.Confirm is null
                    ? "is not known, and nobody could be asked about it. " + HowToAdd(check)
                    : "is not known and was not accepted.");
            }
            check.Context.IsKnown = true;
        }
        AddHost(check, addAddress);
    }

    private void HandleChanged(Check check, KnownHostsEntry known, KnownHostResult? address)
    {
        if (address is { } result && (result.Status != KnownHostStatus.Changed || !result.Entry!.Key.Equals(known.Key)))
            HostKeyReport.DnsSpoofing(check.Key, check.Name, check.Address.Name, result).ForEach(Error);
        foreach (string line in HostKeyReport.Changed(check.Key, options.Fingerprint(check.Key), check.Name, known, _userFiles.Count > 0 ? _userFiles[0] : null))
            Error(line);
        if (options.Policy != HostKeyPolicy.No)
        {
            Error($"Host key for {check.ShownName} has changed and you have requested strict checking.");
            throw Refused(SshError.HostKeyChanged, check,
                $"differs from the {known.Key.TypeName} key in {known.File} line {known.Line}. Either the server's key was replaced, or this is another machine, possibly one in the middle. "
                + $"Ask whoever runs the server; if the new key is right, remove the old one with: ssh-keygen -f \"{known.File}\" -R \"{check.ShownName}\"");
        }
        check.Context.IsUnsafe = true;
    }

    private void HandleRevoked(Check check, KnownHostsEntry revoked)
    {
        foreach (string line in HostKeyReport.Revoked(check.Context.Key, check.Name))
            Error(line);
        if (options.Policy != HostKeyPolicy.No)
        {
            Error($"{check.Context.Key.TypeName} host key for {check.ShownName} was revoked and you have requested strict checking.");
            throw Refused(SshError.HostKeyRevoked, check, $"is marked @revoked in {revoked.File} line {revoked.Line}: it may be in the wrong hands. Ask whoever runs the server.");
        }
        check.Context.IsUnsafe = true;
    }

    private async ValueTask HandleAddressDiffersAsync(Check check, KnownHostsEntry addressEntry, KnownHostsEntry? hostEntry, CancellationToken cancellationToken)
    {
        string text = HostKeyReport.AddressDiffers(check.Key, check.Name, check.Address.Name, addressEntry, hostEntry);
        string why = $"differs from the key for the address {check.Address.Name} in {addressEntry.File} line {addressEntry.Line}, and CheckHostIP is on.";
        switch (options.Policy)
        {
            case HostKeyPolicy.Ask:
                if (!await ConfirmAsync($"{text}\n{HostKeyReport.Continue}", null, cancellationToken).ConfigureAwait(false))
                    throw Refused(SshError.HostKeyChanged, check, why);
                break;
            case HostKeyPolicy.No:
                Info(text);
                break;
            default:
                Info(text);
                Error("Exiting, you have requested strict checking.");
                throw Refused(SshError.HostKeyChanged, check, why);
        }
    }

    private async ValueTask<bool> ConfirmAsync(string question, string? fingerprint, CancellationToken cancellationToken)
    {
        if (options.Confirm is not { } confirm)
            return false;
        for (int i = 0; i < MaxQuestions; i++)
        {
            string? answer = (await confirm(question, cancellationToken).ConfigureAwait(false))?.TrimStart(' ', '\t');
            if (answer is null)
                return false;
            int end = answer.AsSpan().IndexOfAny(" \t\r\n");
            if (end >= 0)
                answer = answer[..end];
            if (answer.Length == 0 || answer.Equals("no", StringComparison.OrdinalIgnoreCase))
                return false;
            if (answer.Equals("yes", StringComparison.OrdinalIgnoreCase) || answer == fingerprint)
                return true;
            question = fingerprint is null ? "Please type 'yes' or 'no': " : "Please type 'yes', 'no' or the fingerprint: ";
        }
        return false;
    }

    private void AddHost(Check check, bool addAddress)
    {
        if (_userFiles.Count == 0)
        {
            _log.LogDebug("no user known_hosts file: the host key is not recorded");
            return;
        }
        string[] names = addAddress ? [check.Name, check.Address.Name] : [check.Name];
        if (TryAppend(names, check.Key, out string? problem))
            Info($"Warning: Permanently added '{PeerText.Escape(string.Join(',', names))}' ({check.Key.TypeName}) to the list of known hosts.");
        else
            Info($"Failed to add the host to the list of known hosts ({_userFiles[0]}): {problem}");
    }

    private void AddAddress(Check check)
    {
        if (_userFiles.Count == 0)
            return;
        string name = check.Address.Name;
        if (TryAppend([name], check.Key, out string? problem))
            Info($"Warning: Permanently added the {check.Key.TypeName} host key for IP address '{name}' to the list of known hosts.");
        else
            Info($"Failed to add the {check.Key.TypeName} host key for IP address '{name}' to the list of known hosts ({_userFiles[0]}): {problem}");
    }

    private bool TryAppend(string[] names, PublicKey key, out string? problem)
    {
        try
        {
            KnownHostsWriter.Append(_userFiles[0], names, key, options.HashKnownHosts);
            problem = null;
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            problem = FileErrors.Describe(e);
            return false;
        }
    }

    private string HostName(string host, int port) => options.HostKeyAlias?.ToLowerInvariant() ?? KnownHosts.NameOf(host, port);

    /// <summary>What is known about the host without its port; null where the name has no port in it.</summary>
    private KnownHosts? BareNames(Check check) =>
        options.HostKeyAlias is null && check.Context.Port != 22 ? _sources.Load(new KnownHostsQuery("HOSTNAME", check.Context.Host.ToLowerInvariant(), check.Context.Key)) : null;

    private AddressInfo AddressName(HostKeyContext context, bool local)
    {
        if (context.Address is not { } address)
            return new AddressInfo("<no hostip for proxy command>", false);
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        string name = KnownHosts.NameOf(address.ToString(), context.Port);
        return new AddressInfo(name, options.CheckHostIP && !local && !name.Equals(HostName(context.Host, context.Port), StringComparison.Ordinal));
    }

    private void LogKey(PublicKey key)
    {
        if (key is Certificate certificate)
        {
            var authority = certificate.AuthorityKey;
            _log.LogDebug("Server host certificate: {Type} {Fingerprint}, serial {Serial} ID \"{Id}\" CA {AuthorityType} {AuthorityFingerprint}", key.KeyType,
                options.Fingerprint(key), certificate.Serial, PeerText.Escape(certificate.KeyId, 200), authority.KeyType, options.Fingerprint(authority));
        }
        else
        {
            _log.LogDebug("Server host key: {Type} {Fingerprint}", key.KeyType, options.Fingerprint(key));
        }
    }

    private void LogFound(Check check, KnownHostsEntry entry)
    {
        _log.LogDebug("Host '{Host}' is known and matches the {Type} host key.", check.ShownName, check.Key.TypeName);
        _log.LogDebug("Found key in {File}:{Line}", entry.File, entry.Line);
        check.Context.IsKnown |= _userFiles.Contains(entry.File);
    }

    private void Error(string line)
    {
        if (options.Warn is { } warn)
            warn(line);
        else
            _log.LogError("{Line}", line);
    }

    private void Info(string line)
    {
        if (options.Warn is { } warn)
            warn(line);
        else
            _log.LogWarning("{Line}", line);
    }

    private static SshException Refused(SshError error, Check check, string what) => new(error, "Host key verification failed.")
    {
        Hint = $"The {check.Key.TypeName} key {check.Key.Fingerprint} that {check.ShownName} presented {what}",
        DisconnectReason = DisconnectReason.HostKeyNotVerifiable,
    };

    private string HowToAdd(Check check) =>
        $"Compare the fingerprint with what ssh-keygen -lf shows on the server, then add \"{check.ShownName} {check.Key.KeyType} …\" to {(_userFiles.Count > 0 ? _userFiles[0] : "a known_hosts file")} or connect once with StrictHostKeyChecking accept-new.";

    private readonly record struct AddressInfo(string Name, bool IsChecked);

    private sealed record Check(HostKeyContext Context, PublicKey Key, string Name, KnownHosts Known, AddressInfo Address)
    {
        public string ShownName => PeerText.Escape(Name);
    }
}
