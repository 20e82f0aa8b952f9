namespace Adit.Ssh.Keys;

/// <summary>Names of key types and signature algorithms (RFC 4253, RFC 5656, RFC 8332, RFC 8709, OpenSSH's PROTOCOL.certkeys and PROTOCOL.u2f).</summary>
public static class KeyAlgorithms
{
    public const string Ed25519 = "ssh-ed25519";
    public const string EcdsaNistP256 = "ecdsa-sha2-nistp256";
    public const string EcdsaNistP384 = "ecdsa-sha2-nistp384";
    public const string EcdsaNistP521 = "ecdsa-sha2-nistp521";

    /// <summary>The type of every RSA key; as a signature algorithm it means SHA-1 and is used only where somebody asks for it by name.</summary>
    public const string Rsa = "ssh-rsa";

    public const string RsaSha256 = "rsa-sha2-256";
    public const string RsaSha512 = "rsa-sha2-512";

    /// <summary>Ed25519 on a security key. Signatures can be checked here, not made.</summary>
    public const string SecurityKeyEd25519 = "sk-ssh-ed25519@openssh.com";

    /// <summary>ECDSA P-256 on a security key. Signatures can be checked here, not made.</summary>
    public const string SecurityKeyEcdsa = "sk-ecdsa-sha2-nistp256@openssh.com";

    private const string CertificateSuffix = "-cert-v01@openssh.com";
    private const string VendorSuffix = "@openssh.com";

    /// <summary>True for the certificate form of a key type or signature algorithm.</summary>
    public static bool IsCertificate(string algorithm)
    {
        ArgumentNullException.ThrowIfNull(algorithm);
        return algorithm.EndsWith(CertificateSuffix, StringComparison.Ordinal);
    }

    /// <summary>"ssh-ed25519-cert-v01@openssh.com" becomes "ssh-ed25519"; plain names stay as they are.</summary>
    public static string ToPlain(string algorithm)
    {
        if (!IsCertificate(algorithm))
            return algorithm;
        string plain = algorithm[..^CertificateSuffix.Length];
        return plain.StartsWith("sk-", StringComparison.Ordinal) ? plain + VendorSuffix : plain;
    }

    /// <summary>"rsa-sha2-512" becomes "rsa-sha2-512-cert-v01@openssh.com"; certificate names stay as they are.</summary>
    public static string ToCertificate(string algorithm)
    {
        if (IsCertificate(algorithm))
            return algorithm;
        return algorithm.EndsWith(VendorSuffix, StringComparison.Ordinal)
            ? algorithm[..^VendorSuffix.Length] + CertificateSuffix
            : algorithm + CertificateSuffix;
    }

    /// <summary>The type of the keys that make signatures of this algorithm: "rsa-sha2-512" becomes "ssh-rsa", a certificate algorithm the
    /// matching certificate type.</summary>
    public static string ToKeyType(string signatureAlgorithm) => ToPlain(signatureAlgorithm) switch
    {
        RsaSha256 or RsaSha512 => IsCertificate(signatureAlgorithm) ? ToCertificate(Rsa) : Rsa,
        _ => signatureAlgorithm,
    };
}
