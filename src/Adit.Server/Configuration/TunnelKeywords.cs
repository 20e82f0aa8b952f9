namespace Adit.Server.Configuration;

/// <summary>Which tunnel devices may be opened; the numbers are those of the modes on the wire.</summary>
[Flags]
internal enum PermittedTunnels
{
    None = 0,
    PointToPoint = 1,
    Ethernet = 2,
    All = 3,
}

/// <summary>The keywords of sshd_config(5) about tunnel devices; rows as in <see cref="SshdKeywords"/>.</summary>
internal static class TunnelKeywords
{
    private static readonly (string Word, PermittedTunnels Value)[] Words =
        [("no", PermittedTunnels.None), ("yes", PermittedTunnels.All), ("point-to-point", PermittedTunnels.PointToPoint), ("ethernet", PermittedTunnels.Ethernet)];

    /// <summary>Whether, and of what kind.</summary>
    public static SshdKeyword<PermittedTunnels> PermitTunnel { get; } = new("PermitTunnel", PermittedTunnels.None, Read)
    {
        InMatch = true,
        Note = "on Linux; root gets any device, another user those that root made for them",
        Show = value => [Name(value)],
    };

    /// <summary>All of them.</summary>
    internal static IReadOnlyList<SshdKeyword> All { get; } = [PermitTunnel];

    /// <summary>As the configuration writes it.</summary>
    public static string Name(PermittedTunnels value) => Words.First(word => word.Value == value).Word;

    private static PermittedTunnels Read(SshdArguments arguments)
    {
        var word = arguments.NextNamed();
        foreach (var (name, value) in Words)
        {
            if (name == word) // in lower case only, as OpenSSH has it
            {
                return value;
            }
        }

        throw arguments.Error($"bad PermitTunnel argument {Adit.Ssh.Wire.PeerText.Escape(word, 100)}", $"It is one of {string.Join(", ", Words.Select(choice => choice.Word))}.");
    }
}
