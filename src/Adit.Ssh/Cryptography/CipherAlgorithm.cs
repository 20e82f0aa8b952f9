namespace Adit.Ssh.Cryptography;

/// <summary>A cipher's row in <see cref="Algorithms"/>.</summary>
public sealed class CipherAlgorithm
{
    internal CipherAlgorithm(string name, int keySize, int ivSize, int blockSize, bool isAead, int securityBits)
    {
        Name = name;
        KeySize = keySize;
        IvSize = ivSize;
        BlockSize = blockSize;
        IsAead = isAead;
        SecurityBits = securityBits;
    }

    /// <summary>The name in SSH_MSG_KEXINIT.</summary>
    public string Name { get; }

    /// <summary>Bytes of key to derive (RFC 4253, section 7.2). chacha20-poly1305@openssh.com takes two keys: 64.</summary>
    public int KeySize { get; }

    /// <summary>Bytes of initial IV to derive; 0 where there is none.</summary>
    public int IvSize { get; }

    /// <summary>What rekeying after a number of blocks counts in, and packets are padded to: 8 or 16 bytes.</summary>
    public int BlockSize { get; }

    /// <summary>True where the cipher authenticates too: the MAC that was negotiated is not used.</summary>
    public bool IsAead { get; }

    /// <summary>Strength in bits; group exchange chooses its group by it.</summary>
    public int SecurityBits { get; }

    public override string ToString() => Name;

    /// <summary>The sender's side of this cipher. <paramref name="mac"/> and <paramref name="macKey"/> are ignored by AEAD ciphers.</summary>
    internal PacketSealer CreateSealer(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, MacAlgorithm? mac, ReadOnlySpan<byte> macKey)
    {
        Check(key, iv, mac);
        return Name switch
        {
            Algorithms.ChaCha20Poly1305 => new ChaChaPolySealer(key),
            _ when IsAead => new AesGcmSealer(key, iv),
            _ when mac!.IsEtm => new AesCtrEtmSealer(key, iv, mac, macKey),
            _ => new AesCtrSealer(key, iv, mac, macKey),
        };
    }

    /// <summary>The receiver's side of this cipher. <paramref name="mac"/> and <paramref name="macKey"/> are ignored by AEAD ciphers.</summary>
    internal PacketOpener CreateOpener(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, MacAlgorithm? mac, ReadOnlySpan<byte> macKey)
    {
        Check(key, iv, mac);
        return Name switch
        {
            Algorithms.ChaCha20Poly1305 => new ChaChaPolyOpener(key),
            _ when IsAead => new AesGcmOpener(key, iv),
            _ when mac!.IsEtm => new AesCtrEtmOpener(key, iv, mac, macKey),
            _ => new AesCtrOpener(key, iv, mac, macKey),
        };
    }

    private void Check(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, MacAlgorithm? mac)
    {
        if (key.Length != KeySize || iv.Length != IvSize)
            throw new ArgumentException($"{Name} takes a key of {KeySize} and an IV of {IvSize} bytes");
        if (!IsAead && mac is null)
            throw new ArgumentNullException(nameof(mac), $"{Name} needs a MAC");
    }
}
