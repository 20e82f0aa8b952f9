using System.Globalization;
using static Adit.Server.Configuration.ValueReaders;

namespace Adit.Server.Configuration;

/// <summary>The keywords of sshd_config(5) about X11; rows as in <see cref="SshdKeywords"/>.</summary>
public static class X11Keywords
{
    /// <summary>Whether programs may show windows at the client.</summary>
    public static SshdKeyword<bool> X11Forwarding { get; } = new("X11Forwarding", false, Flag) { InMatch = true, Show = YesNo };

    /// <summary>The first display number to try; the port is 6000 more.</summary>
    public static SshdKeyword<int> X11DisplayOffset { get; } =
        new("X11DisplayOffset", 10, ValueReaders.Number) { InMatch = true, Show = value => [value.ToString(CultureInfo.InvariantCulture)] };

    /// <summary>Whether displays listen on loopback only, not on every address.</summary>
    public static SshdKeyword<bool> X11UseLocalhost { get; } = new("X11UseLocalhost", true, Flag) { InMatch = true, Show = YesNo };

    /// <summary>xauth's path, or "none": no X11 without it.</summary>
    public static SshdKeyword<string> XAuthLocation { get; } = new("XAuthLocation", "/usr/bin/xauth", FilePath) { Show = value => [value] };

    /// <summary>All of them.</summary>
    internal static IReadOnlyList<SshdKeyword> All { get; } = [X11Forwarding, X11DisplayOffset, X11UseLocalhost, XAuthLocation];

    private static IEnumerable<string> YesNo(bool value) => [value ? "yes" : "no"];
}
