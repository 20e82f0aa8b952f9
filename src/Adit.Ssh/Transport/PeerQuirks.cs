using System.Globalization;

namespace Adit.Ssh.Transport;

/// <summary>What a peer's software version tells. Some extensions have no announcement of their own: they are spoken to OpenSSH and to ourselves only.</summary>
/// <param name="Software">The software version without comments: "OpenSSH_9.2p1".</param>
/// <param name="OpenSshVersion">Major and minor of an OpenSSH peer, else null.</param>
/// <param name="IsAdit">The peer is one of our own.</param>
internal sealed record PeerQuirks(string Software, Version? OpenSshVersion, bool IsAdit)
{
    /// <summary>What our own software version begins with.</summary>
    public const string OurName = "OpenSSH.compatible.Adit_";

    /// <summary>Nothing known.</summary>
    public static PeerQuirks None { get; } = new("", null, false);

    /// <summary>The peer says OpenSSH_….</summary>
    public bool IsOpenSsh => Software.StartsWith("OpenSSH_", StringComparison.Ordinal);

    /// <summary>The peer has what OpenSSH has without announcing it: eow@openssh.com, no-more-sessions@openssh.com, and packets of up to 256 KiB, filled as far as it was told that it may.</summary>
    public bool HasOpenSshsWays => IsAdit || IsOpenSsh;

    /// <summary>Looks at what follows "SSH-2.0-".</summary>
    public static PeerQuirks From(string softwareAndComments)
    {
        int space = softwareAndComments.IndexOf(' ');
        string software = space < 0 ? softwareAndComments : softwareAndComments[..space];
        return new PeerQuirks(software, ParseOpenSsh(software), software.StartsWith(OurName, StringComparison.Ordinal));
    }

    private static Version? ParseOpenSsh(string software)
    {
        const string prefix = "OpenSSH_";
        if (!software.StartsWith(prefix, StringComparison.Ordinal))
            return null;
        var rest = software.AsSpan(prefix.Length);
        int dot = rest.IndexOf('.');
        if (dot is < 1 or > 4 || !int.TryParse(rest[..dot], NumberStyles.None, CultureInfo.InvariantCulture, out int major))
            return null;
        rest = rest[(dot + 1)..];
        int digits = rest.IndexOfAnyExceptInRange('0', '9');
        if (digits < 0)
            digits = rest.Length;
        return digits is > 0 and <= 4 && int.TryParse(rest[..digits], NumberStyles.None, CultureInfo.InvariantCulture, out int minor)
            ? new Version(major, minor)
            : null;
    }
}
