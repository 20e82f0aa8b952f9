using System.Collections.Frozen;

namespace Adit.Ssh.OpenSsh;

/// <summary>The key types there are, and which of them a client should ask a host for first.</summary>
internal static class HostKeyTypes
{
    /// <summary>Best first, as OpenSSH prefers them.</summary>
    private static readonly string[] Plain =
    [
        "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", "ssh-rsa",
    ];

    private static readonly string[] Certificates =
    [
        "ssh-ed25519-cert-v01@openssh.com", "ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp384-cert-v01@openssh.com",
        "ecdsa-sha2-nistp521-cert-v01@openssh.com", "sk-ssh-ed25519-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
        "ssh-rsa-cert-v01@openssh.com",
    ];

    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> All =
        Plain.Concat(Certificates).ToFrozenSet(StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>True for the name of a key or certificate type that can stand in a file.</summary>
    public static bool IsKeyType(ReadOnlySpan<char> name) => All.Contains(name);

    /// <summary>The types of the host's lines. An authority may have signed a key of any type, so that one brings all certificate types.</summary>
    public static IReadOnlyList<string> Order(IReadOnlyList<KnownHostsEntry> entries)
    {
        var types = new List<string>();
        if (entries.Any(entry => entry.Marker == KnownHostsMarker.CertAuthority))
            types.AddRange(Certificates);
        types.AddRange(Plain.Where(type => entries.Any(entry => entry.Marker == KnownHostsMarker.None && entry.Key.KeyType == type)));
        return types;
    }
}
