using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Wire;

namespace Adit.Ssh.OpenSsh;

/// <summary>A comma-separated list of addresses, as in from="…", Match Address and Match localnetwork: each entry is an address, a network in CIDR form
/// ("10.0.0.0/8", "2001:db8::/32"), or a pattern with wildcards over the address as text; '!' excludes.</summary>
public sealed class AddressPatternList
{
    private readonly Entry[] _entries;

    private AddressPatternList(Entry[] entries) => _entries = entries;

    /// <summary>Parses a list. Throws <see cref="SshException"/> (<see cref="SshError.Configuration"/>) for an empty entry, for a network with bits set
    /// beyond its mask ("10.0.1.0/8"), and, with <paramref name="networksOnly"/>, for anything but addresses and networks.</summary>
    public static AddressPatternList Parse(string text, bool networksOnly = false)
    {
        string[] parts = text.Split(',');
        var entries = new Entry[parts.Length];
        for (int i = 0; i < parts.Length; i++)
            entries[i] = ParseEntry(parts[i], networksOnly);
        return new AddressPatternList(entries);
    }

    /// <summary>Matches an address. An IPv4 address that arrived on an IPv6 socket counts as IPv4. A negated match wins.</summary>
    public PatternMatch Match(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        return Match(address, address.ToString().ToLowerInvariant());
    }

    /// <summary>Matches a peer known only by a text, "UNKNOWN" for one without a socket: that matches patterns but never a network.</summary>
    public PatternMatch Match(string address) =>
        IPAddress.TryParse(address, out var parsed) ? Match(parsed) : Match(null, address.ToLowerInvariant());

    private PatternMatch Match(IPAddress? address, string text)
    {
        var result = PatternMatch.None;
        foreach (var entry in _entries)
        {
            bool hit = entry.Network is { } network
                ? address is not null && network.Contains(address)
                : PatternList.MatchPattern(text, entry.Pattern);
            if (!hit)
                continue;
            if (entry.Negated)
                return PatternMatch.Negated;
            result = PatternMatch.Matched;
        }
        return result;
    }

    private static Entry ParseEntry(string text, bool networksOnly)
    {
        bool negated = !networksOnly && text.StartsWith('!');
        string pattern = negated ? text[1..] : text;
        if (pattern.Length == 0)
            throw new SshException(SshError.Configuration, "Invalid empty entry in address list");
        if (TryParseNetwork(pattern, out var network))
            return new Entry(negated, network, "");
        if (networksOnly)
            throw new SshException(SshError.Configuration, $"Invalid network entry \"{PeerText.Escape(pattern, 100)}\"");
        return new Entry(negated, null, pattern.ToLowerInvariant());
    }

    private static bool TryParseNetwork(string text, out IPNetwork? network)
    {
        network = null;
        int slash = text.IndexOf('/');
        string host = slash < 0 ? text : text[..slash];
        // IPAddress.TryParse takes "10" and "0x7f.1" as addresses too; only the written-out forms are meant here.
        if (!IPAddress.TryParse(host, out var address) || address.ScopeIdOrZero() != 0
            || (address.AddressFamily == AddressFamily.InterNetwork && host.AsSpan().Count('.') != 3))
            return false;
        int bits = address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        int prefix = bits;
        if (slash >= 0 && (!Numbers.TryParse(text.AsSpan(slash + 1), out long length) || (prefix = (int)Math.Min(length, int.MaxValue)) > bits))
            throw new SshException(SshError.Configuration, $"Invalid mask length in match list entry \"{PeerText.Escape(text, 100)}\"");
        if (!HasOnlyPrefixBits(address, prefix))
            throw new SshException(SshError.Configuration, $"Inconsistent mask length for match list entry \"{text}\"");
        network = new IPNetwork(address, prefix);
        return true;
    }

    private static bool HasOnlyPrefixBits(IPAddress address, int prefix)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out int length);
        for (int bit = prefix; bit < length * 8; bit++)
        {
            if ((bytes[bit / 8] & (0x80 >> (bit % 8))) != 0)
                return false;
        }
        return true;
    }

    private readonly record struct Entry(bool Negated, IPNetwork? Network, string Pattern);
}

file static class AddressExtensions
{
    public static long ScopeIdOrZero(this IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetworkV6 ? address.ScopeId : 0;
}
