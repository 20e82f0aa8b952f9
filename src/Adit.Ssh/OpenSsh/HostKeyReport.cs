using System.Globalization;
using System.Text;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.OpenSsh;

/// <summary>The texts about host keys, line by line as OpenSSH words them: scripts and people look for them.</summary>
internal static class HostKeyReport
{
    private const string Rule = "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@";
    private const int MaxOtherNames = 8;

    public const string Continue = "Are you sure you want to continue connecting (yes/no)? ";
    public const string ContinueOrFingerprint = "Are you sure you want to continue connecting (yes/no/[fingerprint])? ";

    public static string[] Changed(PublicKey key, string fingerprint, string host, KnownHostsEntry known, string? addTo) =>
    [
        Rule,
        "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
        Rule,
        "IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!",
        "Someone could be eavesdropping on you right now (man-in-the-middle attack)!",
        "It is also possible that a host key has just been changed.",
        $"The fingerprint for the {key.TypeName} key sent by the remote host is",
        $"{fingerprint}.",
        "Please contact your system administrator.",
        $"Add correct host key in {addTo ?? known.File} to get rid of this message.",
        $"Offending {known.Key.TypeName} key in {known.File}:{known.Line}",
        "  remove with:",
        $"  ssh-keygen -f \"{known.File}\" -R \"{PeerText.Escape(host)}\"",
    ];

    public static string[] Revoked(PublicKey key, string host) =>
    [
        Rule,
        "@       WARNING: REVOKED HOST KEY DETECTED!               @",
        Rule,
        $"The {key.TypeName} host key for {PeerText.Escape(host)} is marked as revoked.",
        "This could mean that a stolen key is being used to",
        "impersonate this host.",
    ];

    public static List<string> DnsSpoofing(PublicKey key, string host, string address, KnownHostResult addressResult)
    {
        string state = addressResult.Status switch
        {
            KnownHostStatus.Unknown => "is unknown",
            KnownHostStatus.Ok => "is unchanged",
            _ => "has a different value",
        };
        List<string> lines =
        [
            Rule,
            "@       WARNING: POSSIBLE DNS SPOOFING DETECTED!          @",
            Rule,
            $"The {key.TypeName} host key for {PeerText.Escape(host)} has changed,",
            $"and the key for the corresponding IP address {address}",
            $"{state}. This could either mean that",
            "DNS SPOOFING is happening or the IP address for the host",
            "and its host key have changed at the same time.",
        ];
        if (addressResult.Entry is { } entry)
            lines.Add($"Offending key for IP in {entry.File}:{entry.Line}");
        return lines;
    }

    public static string AddressDiffers(PublicKey key, string host, string address, KnownHostsEntry addressEntry, KnownHostsEntry? hostEntry)
    {
        string text = $"Warning: the {key.TypeName} host key for '{PeerText.Escape(host)}' differs from the key for the IP address '{address}'\n"
            + $"Offending key for IP in {addressEntry.File}:{addressEntry.Line}";
        return hostEntry is null ? text : $"{text}\nMatching host key in {hostEntry.File}:{hostEntry.Line}";
    }

    /// <summary>The whole question about an unknown key.</summary>
    public static string Question(PublicKey key, string host, string address, IReadOnlyList<KnownHostsEntry> otherNames, KnownHostsOptions options)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"The authenticity of host '{PeerText.Escape(host)} ({address})' can't be established.\n");
        text.Append(CultureInfo.InvariantCulture, $"{key.TypeName} key fingerprint is {options.Fingerprint(key)}.\n");
        if (options.Draw is { } draw)
            text.Append(draw(key)).Append('\n');
        if (otherNames.Count == 0)
        {
            text.Append("This key is not known by any other names.\n");
        }
        else
        {
            text.Append("This host key is known by the following other names/addresses:\n");
            foreach (var entry in otherNames.Take(MaxOtherNames))
                text.Append(CultureInfo.InvariantCulture, $"    {LocalUser.WithTilde(entry.File)}:{entry.Line}: {(entry.IsHashed ? "[hashed name]" : PeerText.Escape(entry.Names, 512))}\n");
            if (otherNames.Count > MaxOtherNames)
                text.Append(CultureInfo.InvariantCulture, $"    ({otherNames.Count - MaxOtherNames} additional names omitted)\n");
        }
        return text.Append(ContinueOrFingerprint).ToString();
    }
}
