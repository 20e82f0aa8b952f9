using Adit.Ssh.Keys;

namespace Adit.Ssh.OpenSsh;

/// <summary>What KnownHostsCommand is asked.</summary>
/// <param name="Reason">%I: "ORDER" for the key types to ask the server for, "HOSTNAME" for a host, "ADDRESS" for its address.</param>
/// <param name="Name">%H: the name as known_hosts has it.</param>
/// <param name="Key">The key that the server presented (%t, %f and %K); null with "ORDER", before there is one.</param>
public readonly record struct KnownHostsQuery(string Reason, string Name, PublicKey? Key);

/// <summary>Where lines about hosts come from: the user's files, the system's, and KnownHostsCommand.</summary>
internal sealed class KnownHostsSources(KnownHostsOptions options)
{
    private readonly IReadOnlyList<string> _files = [.. options.UserFilesOrDefault, .. options.GlobalFilesOrDefault];

    /// <summary>New keys go to the first.</summary>
    public IReadOnlyList<string> UserFiles { get; } = options.UserFilesOrDefault;

    /// <summary>The lines about a name. Those of the command have no file that could be written to.</summary>
    public KnownHosts Load(KnownHostsQuery query)
    {
        var found = KnownHosts.Load(_files, query.Name, options.Logger);
        if (options.Command?.Invoke(query) is not { Length: > 0 } text)
            return found;
        var entries = new List<KnownHostsEntry>();
        int number = 0;
        foreach (string line in text.Split('\n'))
        {
            if (KnownHostsFile.ParseLine(line, $"KnownHostsCommand-{query.Reason}", ++number, names => KnownHostsEntry.MatchNames(names, query.Name), out _) is { } entry)
                entries.Add(entry);
        }
        return found.With(entries);
    }

    /// <summary>Lines of the files that have a key under names other than this one.</summary>
    public List<KnownHostsEntry> OtherNames(string name, PublicKey key) =>
        [.. _files.SelectMany(file => KnownHostsFile.Read(file, options.Logger, names => KnownHostsEntry.MatchNames(names, name) is { } match ? !match : null))
            .Where(entry => entry.Marker == KnownHostsMarker.None && entry.Key.Equals(key))];
}
