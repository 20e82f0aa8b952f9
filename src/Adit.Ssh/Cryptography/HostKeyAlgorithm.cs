using System.Security.Cryptography;

namespace Adit.Ssh.Cryptography;

/// <summary>A signature algorithm's row in <see cref="Algorithms"/>: for host keys and for user keys.</summary>
public sealed class HostKeyAlgorithm
{
    internal HostKeyAlgorithm(string name, string keyType, string plainName, string plainKeyType, HashAlgorithmName hash)
    {
        Name = name;
        KeyType = keyType;
        PlainName = plainName;
        PlainKeyType = plainKeyType;
        Hash = hash;
    }

    /// <summary>The name in SSH_MSG_KEXINIT, SSH_MSG_USERAUTH_REQUEST and server-sig-algs: "rsa-sha2-512", "rsa-sha2-512-cert-v01@openssh.com".</summary>
    public string Name { get; }

    /// <summary>The type inside the key's or certificate's blob: "ssh-rsa", "ssh-rsa-cert-v01@openssh.com".</summary>
    public string KeyType { get; }

    /// <summary>The name inside the signature: for a certificate form the one without it, otherwise the same as <see cref="Name"/>.</summary>
    public string PlainName { get; }

    /// <summary>The type of the key alone: "ssh-rsa".</summary>
    public string PlainKeyType { get; }

    /// <summary>True where the key comes inside a certificate.</summary>
    public bool IsCertificate => Name != PlainName;

    /// <summary>The hash that is signed; for ssh-ed25519, which hashes by itself, SHA-512.</summary>
    public HashAlgorithmName Hash { get; }

    public override string ToString() => Name;
}
