using System.Security.Cryptography;

namespace Adit.Ssh.Cryptography;

/// <summary>Which messages a key exchange method speaks, and how its values are encoded in them.</summary>
public enum KeyExchangeKind
{
    /// <summary>SSH_MSG_KEX_ECDH_INIT (30) and _REPLY (31) with strings (RFC 5656, section 4). The hybrid methods use the same.</summary>
    Ecdh,
    /// <summary>SSH_MSG_KEXDH_INIT (30) and _REPLY (31) with mpints (RFC 4253, section 8).</summary>
    Dh,
    /// <summary>SSH_MSG_KEX_DH_GEX_REQUEST (34), _GROUP (31), _INIT (32) and _REPLY (33) (RFC 4419).</summary>
    DhGroupExchange,
}

/// <summary>A key exchange method's row in <see cref="Algorithms"/>.</summary>
public sealed class KeyExchangeAlgorithm
{
    private readonly Func<KeyAgreement>? _create;

    internal KeyExchangeAlgorithm(string name, HashAlgorithmName hash, KeyExchangeKind kind, Func<KeyAgreement>? create, bool isPostQuantum = false)
    {
        Name = name;
        Hash = hash;
        Kind = kind;
        IsPostQuantum = isPostQuantum;
        _create = create;
    }

    /// <summary>The name in SSH_MSG_KEXINIT.</summary>
    public string Name { get; }

    /// <summary>The hash for the exchange hash and the key derivation.</summary>
    public HashAlgorithmName Hash { get; }

    public KeyExchangeKind Kind { get; }

    /// <summary>True where a recording of today stays secret from tomorrow's quantum computer.</summary>
    public bool IsPostQuantum { get; }

    public override string ToString() => Name;

    /// <summary>One side's run of this method. Not for <see cref="KeyExchangeKind.DhGroupExchange"/>, which needs the group.</summary>
    internal KeyAgreement Create() =>
        _create?.Invoke() ?? throw new InvalidOperationException($"{Name} needs a group");

    /// <summary>One side's run of group exchange in the group that the server chose.</summary>
    internal KeyAgreement Create(DhGroup group) =>
        Kind == KeyExchangeKind.DhGroupExchange ? new DhKeyAgreement(group) : throw new InvalidOperationException($"{Name} takes no group");
}
