using System.Security.Cryptography;

namespace Adit.Ssh.Cryptography;

/// <summary>A MAC's row in <see cref="Algorithms"/>.</summary>
public sealed class MacAlgorithm
{
    internal MacAlgorithm(string name, HashAlgorithmName hash, int size, bool isEtm)
    {
        Name = name;
        Hash = hash;
        KeySize = size;
        TagLength = size;
        IsEtm = isEtm;
    }

    /// <summary>The name in SSH_MSG_KEXINIT.</summary>
    public string Name { get; }

    /// <summary>The hash under the HMAC.</summary>
    public HashAlgorithmName Hash { get; }

    /// <summary>Bytes of key to derive.</summary>
    public int KeySize { get; }

    /// <summary>Bytes of MAC behind each packet.</summary>
    public int TagLength { get; }

    /// <summary>True for the forms that authenticate what was encrypted, the -etm@openssh.com ones (OpenSSH's PROTOCOL, section 1.5).</summary>
    public bool IsEtm { get; }

    public override string ToString() => Name;
}
