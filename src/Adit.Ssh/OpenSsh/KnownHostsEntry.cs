using System.Security.Cryptography;
using System.Text;
using Adit.Ssh.Keys;

namespace Adit.Ssh.OpenSsh;

/// <summary>What a line of a known_hosts file says about its key.</summary>
public enum KnownHostsMarker
{
    /// <summary>The key is a host's.</summary>
    None,
    /// <summary>@cert-authority: the key signs certificates of hosts.</summary>
    CertAuthority,
    /// <summary>@revoked: the key must never be accepted.</summary>
    Revoked,
}

/// <summary>One line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).</summary>
/// <param name="File">The file it stands in.</param>
/// <param name="Line">Its line, from 1.</param>
/// <param name="Marker">Its marker.</param>
/// <param name="Names">The names as written: a list of patterns, or one hash.</param>
/// <param name="Key">The key.</param>
public sealed record KnownHostsEntry(string File, int Line, KnownHostsMarker Marker, string Names, PublicKey Key)
{
    private const string HashMagic = "|1|";

    public bool IsHashed => IsHash(Names);

    /// <summary>True when the line is about <paramref name="name"/>: a host's name, or "[host]:port" where the port is not 22.</summary>
    public bool Matches(string name) => MatchNames(Names, name) == true;

    internal static bool IsHash(string names) => names.StartsWith('|');

    /// <summary>Matches the names field of a line; null when it is a malformed hash.</summary>
    internal static bool? MatchNames(string names, string name)
    {
        if (!IsHash(names))
            return PatternList.MatchesHost(name, names);
        Span<byte> salt = stackalloc byte[HMACSHA1.HashSizeInBytes];
        int end = names.StartsWith(HashMagic, StringComparison.Ordinal) ? names.IndexOf('|', HashMagic.Length) : -1;
        if (end < 0 || !Convert.TryFromBase64Chars(names.AsSpan()[HashMagic.Length..end], salt, out int length) || length != salt.Length)
            return null;
        return names == HashName(name, salt);
    }

    /// <summary>"|1|salt|hash" of a name, with a new random salt.</summary>
    internal static string HashName(string name)
    {
        Span<byte> salt = stackalloc byte[HMACSHA1.HashSizeInBytes];
        RandomNumberGenerator.Fill(salt);
        return HashName(name, salt);
    }

    private static string HashName(string name, ReadOnlySpan<byte> salt)
    {
        Span<byte> hash = stackalloc byte[HMACSHA1.HashSizeInBytes];
        HMACSHA1.HashData(salt, Encoding.UTF8.GetBytes(name.ToLowerInvariant()), hash);
        return $"{HashMagic}{Convert.ToBase64String(salt)}|{Convert.ToBase64String(hash)}";
    }
}
