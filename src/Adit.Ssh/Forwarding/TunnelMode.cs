namespace Adit.Ssh.Forwarding;

/// <summary>What tunnel devices carry; the Tunnel keyword.</summary>
public enum TunnelMode
{
    /// <summary>There are none.</summary>
    No,

    /// <summary>Packets of the network layer: tunN.</summary>
    PointToPoint,

    /// <summary>Ethernet frames: tapN.</summary>
    Ethernet,
}
