using Adit.Ssh.Wire;

namespace Adit.Ssh.Keys;

/// <summary>What a certificate is for.</summary>
public enum CertificateType
{
    /// <summary>SSH_CERT_TYPE_USER: its principals are user names.</summary>
    User = 1,

    /// <summary>SSH_CERT_TYPE_HOST: its principals are host names.</summary>
    Host = 2,
}

/// <summary>A public key with a certification authority's statement about it (OpenSSH's PROTOCOL.certkeys). The authority's signature has been
/// checked when the object exists; whether the authority may be trusted, and <see cref="FindFault"/>, are for the caller to ask.</summary>
public sealed class Certificate : PublicKey
{
    private const int MaxPrincipals = 256;
    private const int MaxKeyIdLength = 1024;

    private readonly string[] _algorithms;

    private Certificate(string keyType, byte[] blob, PublicKey key)
        : base(keyType, blob)
    {
        PlainKey = key;
        _algorithms = [.. key.SignatureAlgorithms.Select(KeyAlgorithms.ToCertificate)];
    }

    /// <summary>The key that is certified.</summary>
    public override PublicKey PlainKey { get; }

    /// <summary>Chosen by the authority; 0 where it does not count.</summary>
    public ulong Serial { get; private init; }

    public CertificateType Type { get; private init; }

    /// <summary>What the authority calls it, for logs. It is not escaped.</summary>
    public string KeyId { get; private init; } = "";

    /// <summary>The users or hosts it is valid for. None means it is valid for nobody.</summary>
    public IReadOnlyList<string> Principals { get; private init; } = [];

    /// <summary>First second of its validity, counted from 1970; 0 means always.</summary>
    public ulong ValidAfter { get; private init; }

    /// <summary>First second after its validity, counted from 1970; <see cref="ulong.MaxValue"/> means forever.</summary>
    public ulong ValidBefore { get; private init; }

    /// <summary>Restrictions. Whoever does not know one must refuse the certificate.</summary>
    public IReadOnlyList<CertificateOption> CriticalOptions { get; private init; } = [];

    /// <summary>Rights, such as "permit-port-forwarding". Unknown ones mean nothing.</summary>
    public IReadOnlyList<CertificateOption> Extensions { get; private init; } = [];

    /// <summary>The key that signed it; never a certificate.</summary>
    public PublicKey AuthorityKey { get; private init; } = null!;

    /// <summary>What the authority signed with.</summary>
    public string AuthoritySignatureAlgorithm { get; private init; } = "";

    public override int Bits => PlainKey.Bits;

    public override string TypeName => PlainKey.TypeName + "-CERT";

    public override IReadOnlyList<string> SignatureAlgorithms => _algorithms;

    public override string Fingerprint => PlainKey.Fingerprint;

    public override string FingerprintMd5 => PlainKey.FingerprintMd5;

    /// <summary>The extension or critical option of that name, or null.</summary>
    public CertificateOption? FindOption(string name) =>
        CriticalOptions.FirstOrDefault(o => o.Name == name) ?? Extensions.FirstOrDefault(o => o.Name == name);

    /// <summary>Why this certificate is no good for somebody now, in words for the log; null when it is good (if its authority is trusted).</summary>
    /// <param name="type">What is needed.</param>
    /// <param name="principal">The user or host name; compared exactly.</param>
    /// <param name="now">The time of day.</param>
    /// <param name="enforcedOptions">Names of the critical options that the caller will enforce. Any other one refuses the certificate.</param>
    /// <param name="authorityAlgorithms">CASignatureAlgorithms: what authorities may sign with. Null: everything but SHA-1.</param>
    public string? FindFault(
        CertificateType type,
        string principal,
        DateTimeOffset now,
        IReadOnlyCollection<string> enforcedOptions,
        IReadOnlyCollection<string>? authorityAlgorithms = null)
    {
        ArgumentNullException.ThrowIfNull(enforcedOptions);
        if (Type != type)
            return type == CertificateType.Host ? "Certificate invalid: not a host certificate" : "Certificate invalid: not a user certificate";
        if (authorityAlgorithms is null ? AuthoritySignatureAlgorithm == KeyAlgorithms.Rsa : !authorityAlgorithms.Contains(AuthoritySignatureAlgorithm))
            return $"Certificate signed with disallowed algorithm {AuthoritySignatureAlgorithm}";
        long seconds = now.ToUnixTimeSeconds();
        if (seconds < 0 || (ulong)seconds < ValidAfter)
            return "Certificate invalid: not yet valid";
        if ((ulong)seconds >= ValidBefore)
            return "Certificate invalid: expired";
        if (Principals.Count == 0)
            return "Certificate lacks principal list";
        if (!Principals.Contains(principal, StringComparer.Ordinal))
            return "Certificate invalid: name is not a listed principal";
        var unknown = CriticalOptions.FirstOrDefault(o => !enforcedOptions.Contains(o.Name));
        return unknown is null ? null : $"Certificate critical option \"{unknown.Name}\" is not supported";
    }

    public override bool Verify(string algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature) => PlainKey.Verify(algorithm, data, signature);

    private protected override bool VerifySignature(string algorithm, ReadOnlySpan<byte> data, ref SshReader signature) =>
        throw new NotSupportedException("a certificate's signatures are checked by its plain key");

    // string type | string nonce | the plain key's fields | uint64 serial | uint32 type | string key id | string principals
    // | uint64 valid after | uint64 valid before | string critical options | string extensions | string reserved
    // | string authority's key | string signature over everything before it
    internal static Certificate Read(string keyType, ReadOnlySpan<byte> blob, ref SshReader reader)
    {
        reader.ReadString(); // nonce
        var key = ReadPlainKey(KeyAlgorithms.ToPlain(keyType), ref reader);
        ulong serial = reader.ReadUInt64();
        uint type = reader.ReadUInt32();
        if (type is not ((uint)CertificateType.User or (uint)CertificateType.Host))
            throw SshException.Protocol($"certificate type {type} is unknown");
        string keyId = reader.ReadUtf8(MaxKeyIdLength);
        string[] principals = ReadPrincipals(reader.ReadString());
        ulong validAfter = reader.ReadUInt64();
        ulong validBefore = reader.ReadUInt64();
        var critical = CertificateOption.ReadList(reader.ReadString());
        var extensions = CertificateOption.ReadList(reader.ReadString());
        reader.ReadString(); // reserved
        var authority = ReadAuthority(reader.ReadString());
        var signed = blob[..^reader.Remaining];
        var signature = reader.ReadString();
        string algorithm = SignatureBlob.AlgorithmOf(signature);
        if (!authority.Verify(algorithm, signed, signature))
            throw SshException.Protocol("the certificate's signature is not its authority's");
        return new Certificate(keyType, blob.ToArray(), key)
        {
            Serial = serial,
            Type = (CertificateType)type,
            KeyId = keyId,
            Principals = principals,
            ValidAfter = validAfter,
            ValidBefore = validBefore,
            CriticalOptions = critical,
            Extensions = extensions,
            AuthorityKey = authority,
            AuthoritySignatureAlgorithm = algorithm,
        };
    }

    private static PublicKey ReadPlainKey(string type, ref SshReader reader)
    {
        switch (type)
        {
            case KeyAlgorithms.Ed25519:
                return Ed25519PublicKey.Create(Ed25519PublicKey.ReadKey(ref reader));
            case KeyAlgorithms.EcdsaNistP256 or KeyAlgorithms.EcdsaNistP384 or KeyAlgorithms.EcdsaNistP521:
                var curve = NistCurve.OfKeyType(type)!;
                var point = EcdsaPublicKey.ReadPoint(curve, ref reader);
                return EcdsaPublicKey.Create(curve, point.Slice(1, curve.FieldSize), point[(1 + curve.FieldSize)..]);
            case KeyAlgorithms.Rsa:
                return RsaPublicKey.Create(reader.ReadMpint(), reader.ReadMpint());
            case KeyAlgorithms.SecurityKeyEd25519 or KeyAlgorithms.SecurityKeyEcdsa:
                return SecurityKeyPublicKey.Read(type, ref reader);
            default:
                throw Invalid("unknown or unsupported key type");
        }
    }

    private static string[] ReadPrincipals(ReadOnlySpan<byte> list)
    {
        var reader = new SshReader(list);
        var principals = new List<string>();
        while (!reader.AtEnd)
        {
            if (principals.Count == MaxPrincipals)
                throw SshException.Protocol($"the certificate has more than {MaxPrincipals} principals");
            principals.Add(reader.ReadUtf8());
        }
        return [.. principals];
    }

    /// <summary>An authority is a plain key: a certificate that vouches for others would be a chain, which SSH does not have.</summary>
    private static PublicKey ReadAuthority(ReadOnlySpan<byte> blob)
    {
        if (KeyAlgorithms.IsCertificate(new SshReader(blob).ReadName()))
            throw SshException.Protocol("the certificate is signed by a certificate");
        return Parse(blob);
    }
}
