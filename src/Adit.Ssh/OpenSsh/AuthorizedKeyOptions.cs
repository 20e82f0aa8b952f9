using System.Net;

namespace Adit.Ssh.OpenSsh;

/// <summary>One permitopen or permitlisten: what may be connected to or listened on.</summary>
/// <param name="Host">For permitopen the host exactly as a client asks for it, or "*"; for permitlisten a pattern.</param>
/// <param name="Port">The port; null for "*".</param>
public readonly record struct PermitEntry(string Host, int? Port);

/// <summary>The options in front of a key in authorized_keys (sshd(8), AUTHORIZED_KEYS FILE FORMAT). They are applied from left to right: "restrict,pty" gives a
/// terminal, "pty,restrict" does not.</summary>
public sealed record AuthorizedKeyOptions
{
    /// <summary>A line without options: everything that the server's configuration allows.</summary>
    public static AuthorizedKeyOptions None { get; } = new();

    /// <summary>True when the line had no options field.</summary>
    public bool IsEmpty => Text.Length == 0;

    /// <summary>The options as written; empty for none.</summary>
    public string Text { get; init; } = "";

    /// <summary>restrict was given. What it turned off and was not turned on again is false below.</summary>
    public bool Restricted { get; internal set; }

    /// <summary>port-forwarding. False refuses every kind of TCP and Unix socket forward.</summary>
    public bool PortForwarding { get; internal set; } = true;

    /// <summary>agent-forwarding.</summary>
    public bool AgentForwarding { get; internal set; } = true;

    /// <summary>X11-forwarding.</summary>
    public bool X11Forwarding { get; internal set; } = true;

    /// <summary>pty.</summary>
    public bool Pty { get; internal set; } = true;

    /// <summary>user-rc: ~/.ssh/rc may run.</summary>
    public bool UserRc { get; internal set; } = true;

    /// <summary>Tunnel devices; only restrict turns them off.</summary>
    public bool Tunnel { get; internal set; } = true;

    /// <summary>cert-authority: the key does not log in itself, it signs certificates that do.</summary>
    public bool CertAuthority { get; internal set; }

    /// <summary>principals: with <see cref="CertAuthority"/>, a certificate must be for one of these names; null for the login name.</summary>
    public IReadOnlyList<string>? Principals { get; internal set; }

    /// <summary>no-touch-required: a security key's signature counts without a touch.</summary>
    public bool NoTouchRequired { get; internal set; }

    /// <summary>verify-required: a security key's signature counts only with a PIN or the like.</summary>
    public bool VerifyRequired { get; internal set; }

    /// <summary>command: runs in place of what the client asks for; null for none.</summary>
    public string? Command { get; internal set; }

    /// <summary>from: where the client must come from; null for anywhere. See <see cref="AllowsSource(string, string?)"/>.</summary>
    public string? From { get; internal set; }

    /// <summary>expiry-time: from then on the key is not accepted. The earliest where there are several.</summary>
    public DateTimeOffset? ExpiryTime { get; internal set; }

    /// <summary>environment: variables to set where PermitUserEnvironment allows; the first of a name counts.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Environment { get; internal set; } = [];

    /// <summary>permitopen: null where none was given and any destination is fine; otherwise only these (and no Unix sockets).</summary>
    public IReadOnlyList<PermitEntry>? PermitOpen { get; internal set; }

    /// <summary>permitlisten: null where none was given; otherwise only these.</summary>
    public IReadOnlyList<PermitEntry>? PermitListen { get; internal set; }

    /// <summary>tunnel: the tunnel device to use; -1 for any; null where none was given.</summary>
    public int? TunnelDevice { get; internal set; }

    /// <summary>Applies <see cref="From"/>. A pattern may be about the address or, where the server looks names up, about the name; one that is negated and matches either refuses.</summary>
    /// <param name="address">The peer's address as text; "UNKNOWN" without a socket.</param>
    /// <param name="hostName">The peer's verified name, or null where names are not looked up.</param>
    public bool AllowsSource(string address, string? hostName = null)
    {
        if (From is null)
            return true;
        var byAddress = AddressPatternList.Parse(From).Match(address);
        var byName = PatternList.Match(hostName ?? address, From, ignoreCase: true);
        return byAddress != PatternMatch.Negated && byName != PatternMatch.Negated
            && (byAddress == PatternMatch.Matched || byName == PatternMatch.Matched);
    }

    /// <summary>Applies <see cref="From"/> to an address.</summary>
    public bool AllowsSource(IPAddress address) => AllowsSource((address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString());
}
