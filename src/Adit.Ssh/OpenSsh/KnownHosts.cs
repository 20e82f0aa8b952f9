using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Adit.Ssh.OpenSsh;

/// <summary>What known_hosts files say about a key.</summary>
public enum KnownHostStatus
{
    /// <summary>The key (or a certificate's authority) is known for this host.</summary>
    Ok,
    /// <summary>Nothing is known about this host.</summary>
    Unknown,
    /// <summary>The host is known, with other keys. Keys of another type count too: OpenSSH asks for known types first, so a server that has the known key would have shown it.</summary>
    Changed,
    /// <summary>The key, or the authority that signed it, is marked @revoked for this host.</summary>
    Revoked,
}

/// <summary>The answer of a lookup.</summary>
/// <param name="Status">What is known.</param>
/// <param name="Entry">The line that matches; for <see cref="KnownHostStatus.Changed"/> the last one that differs, for <see cref="KnownHostStatus.Revoked"/> the one that revokes.</param>
public readonly record struct KnownHostResult(KnownHostStatus Status, KnownHostsEntry? Entry);

/// <summary>The lines of known_hosts files that are about one host.</summary>
public sealed class KnownHosts
{
    private readonly List<KnownHostsEntry> _entries;

    private KnownHosts(string name, List<KnownHostsEntry> entries)
    {
        Name = name;
        _entries = entries;
    }

    /// <summary>The name that was looked up.</summary>
    public string Name { get; }

    /// <summary>The lines, in the order of the files.</summary>
    public IReadOnlyList<KnownHostsEntry> Entries => _entries;

    /// <summary>OpenSSH's way with host keys, over ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts. See <see cref="OpenSsh(KnownHostsOptions)"/>.</summary>
    public static IHostKeyVerifier OpenSsh(HostKeyPolicy policy = HostKeyPolicy.Ask) => new KnownHostsVerifier(new KnownHostsOptions { Policy = policy });

    /// <summary>OpenSSH's way with host keys: looks them up, asks, records new ones, and refuses changed and revoked ones with OpenSSH's words. It keeps no state
    /// between calls and may serve many connections; files are read anew each time.</summary>
    public static IHostKeyVerifier OpenSsh(KnownHostsOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new KnownHostsVerifier(options);
    }

    /// <summary>UpdateHostKeys: keeps the user's known_hosts in step with the keys that a server says and proves it has, where its key was known already. Lines of
    /// the log that tell what was learned have the event <see cref="LogEvents.HostKeysUpdated"/>.</summary>
    /// <param name="options">The files, and who is asked.</param>
    /// <param name="ask">Asks before anything is written (UpdateHostKeys ask).</param>
    /// <param name="minimumRsaBits">RequiredRSASize: shorter RSA keys are not learned.</param>
    public static IHostKeyUpdater Updater(KnownHostsOptions options, bool ask = false, int minimumRsaBits = 0)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new KnownHostsUpdater(options, ask, minimumRsaBits);
    }

    /// <summary>The name a host is recorded under: lower case, and "[host]:port" unless the port is 22.</summary>
    public static string NameOf(string host, int port)
    {
        string name = host.ToLowerInvariant();
        return port is 22 or 0 ? name : $"[{name}]:{port}";
    }

    /// <summary>Reads the lines about <paramref name="name"/> (see <see cref="NameOf"/>). Files that are missing are skipped; malformed lines are logged at Debug and ignored.</summary>
    public static KnownHosts Load(IEnumerable<string> files, string name, ILogger? log = null)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(name);
        log ??= NullLogger.Instance;
        var entries = new List<KnownHostsEntry>();
        foreach (string file in files)
            entries.AddRange(KnownHostsFile.Read(file, log, names => KnownHostsEntry.MatchNames(names, name)));
        return new KnownHosts(name, entries);
    }

    internal KnownHosts With(IEnumerable<KnownHostsEntry> more) => new(Name, [.. _entries, .. more]);

    /// <summary>Looks a plain key up. A line with the key wins over lines with others, and @revoked over everything.</summary>
    public KnownHostResult Find(PublicKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (FindRevoked(key) is { } revoked)
            return new KnownHostResult(KnownHostStatus.Revoked, revoked);
        var result = new KnownHostResult(KnownHostStatus.Unknown, null);
        foreach (var entry in _entries.Where(entry => entry.Marker == KnownHostsMarker.None))
        {
            if (entry.Key.Equals(key))
                return new KnownHostResult(KnownHostStatus.Ok, entry);
            result = new KnownHostResult(KnownHostStatus.Changed, entry);
        }
        return result;
    }

    /// <summary>Looks up the authority that signed a certificate: <see cref="KnownHostStatus.Ok"/> with a @cert-authority line for it, else Unknown, or Revoked where the key or the authority is.</summary>
    internal KnownHostResult FindAuthority(PublicKey key, PublicKey authority)
    {
        if ((FindRevoked(key) ?? FindRevoked(authority)) is { } revoked)
            return new KnownHostResult(KnownHostStatus.Revoked, revoked);
        var entry = _entries.Find(entry => entry.Marker == KnownHostsMarker.CertAuthority && entry.Key.Equals(authority));
        return entry is null ? new KnownHostResult(KnownHostStatus.Unknown, null) : new KnownHostResult(KnownHostStatus.Ok, entry);
    }

    private KnownHostsEntry? FindRevoked(PublicKey key)
    {
        var plain = key.PlainKey;
        return _entries.Find(entry => entry.Marker == KnownHostsMarker.Revoked && (entry.Key.Equals(key) || entry.Key.PlainKey.Equals(plain)));
    }
}
