using System.Collections.Immutable;
using System.IO.Enumeration;

namespace Adit.Ssh.Cryptography;

/// <summary>What a list such as "+aes128-ctr" came to.</summary>
/// <param name="Names">The names, best first; empty when the list is refused.</param>
/// <param name="BadName">The name that is wrong, for the error message; null when the list is good.</param>
/// <param name="Skipped">Names that OpenSSH has and we have not: left out, so that a configuration written for OpenSSH can be used.</param>
public sealed record AlgorithmSpecResult(IReadOnlyList<string> Names, string? BadName, IReadOnlyList<string> Skipped)
{
    /// <summary>True when the list is good.</summary>
    public bool Succeeded => BadName is null;
}

/// <summary>The list syntax of ssh_config(5)'s Ciphers, MACs, KexAlgorithms, HostKeyAlgorithms and the like.</summary>
internal static class AlgorithmSpec
{
    // Names that OpenSSH's ssh -Q knows and we do not have.
    private static readonly ImmutableArray<string> OnlyOpenSshKeyExchange =
    [
        "diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1", "mlkem768nistp256-sha256",
    ];

    private static readonly ImmutableArray<string> OnlyOpenSshHostKey =
    [
        "sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
        "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
        "webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "ssh-dss", "ssh-dss-cert-v01@openssh.com",
        "ssh-mldsa44-ed25519@openssh.com", "ssh-mldsa44-ed25519-cert-v01@openssh.com",
    ];

    private static readonly ImmutableArray<string> OnlyOpenSshCipher =
    [
        "3des-cbc", "aes128-cbc", "aes192-cbc", "aes256-cbc", "rijndael-cbc@lysator.liu.se",
    ];

    private static readonly ImmutableArray<string> OnlyOpenSshMac =
    [
        "umac-64@openssh.com", "umac-128@openssh.com", "umac-64-etm@openssh.com", "umac-128-etm@openssh.com", "hmac-md5", "hmac-md5-96",
        "hmac-md5-etm@openssh.com", "hmac-md5-96-etm@openssh.com", "hmac-sha1-96", "hmac-sha1-96-etm@openssh.com",
    ];

    /// <summary>Applies a list to the defaults: "a,b" replaces them, "+a,b" appends, "^a,b" puts in front, "-a,b" removes. "*" and "?" match
    /// supported names; as in OpenSSH, only to remove and in lists of key algorithms. Commas at the end are nothing. A name nobody knows, or a list that leaves nothing, is refused.</summary>
    public static AlgorithmSpecResult Apply(AlgorithmKind kind, IReadOnlyList<string> defaults, string spec)
    {
        ArgumentNullException.ThrowIfNull(defaults);
        ArgumentNullException.ThrowIfNull(spec);
        char mode = spec.Length > 0 && spec[0] is '+' or '-' or '^' ? spec[0] : ' ';
        string[] patterns = (mode == ' ' ? spec : spec[1..]).TrimEnd(',').Split(',');
        if (mode == '-')
        {
            var left = defaults.Where(name => !patterns.Any(pattern => Matches(pattern, name))).ToArray();
            return left.Length == 0 ? Refused(spec) : new(left, null, []);
        }

        var supported = Algorithms.Supported(kind);
        var given = new List<string>();
        var skipped = new List<string>();
        foreach (string pattern in patterns)
        {
            bool matched = false;
            if (kind != AlgorithmKind.HostKey && pattern.AsSpan().ContainsAny('*', '?'))
                return Refused(pattern);
            foreach (string name in supported.Where(name => Matches(pattern, name)))
            {
                matched = true;
                Add(given, name);
            }
            if (!matched && OnlyOpenSsh(kind).Any(name => Matches(pattern, name)))
            {
                matched = true;
                Add(skipped, pattern);
            }
            if (!matched)
                return Refused(pattern.Length == 0 ? spec : pattern);
        }
        if (mode == '+')
            given.InsertRange(0, defaults);
        else if (mode == '^')
            given.AddRange(defaults);
        string[] names = [.. given.Distinct()];
        return names.Length == 0 ? Refused(spec) : new(names, null, skipped);
    }

    private static ImmutableArray<string> OnlyOpenSsh(AlgorithmKind kind) => kind switch
    {
        AlgorithmKind.KeyExchange => OnlyOpenSshKeyExchange,
        AlgorithmKind.HostKey => OnlyOpenSshHostKey,
        AlgorithmKind.Cipher => OnlyOpenSshCipher,
        AlgorithmKind.Mac => OnlyOpenSshMac,
        _ => [],
    };

    private static bool Matches(string pattern, string name) => FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false);

    private static void Add(List<string> list, string name)
    {
        if (!list.Contains(name))
            list.Add(name);
    }

    private static AlgorithmSpecResult Refused(string name) => new([], name, []);
}
