namespace Adit.Interop.Tests.Peers;

/// <summary>The programs that speak SSH here.</summary>
public enum Peer
{
    Adit,
    OpenSsh,
    Dropbear,
    Plink,
    AsyncSsh,
    Paramiko,
}

/// <summary>What an end is told to use; null leaves its defaults. Only ends that can be told obey (ours and OpenSSH's).</summary>
internal sealed record Algorithms(string? Cipher = null, string? Kex = null, string? Mac = null, string? HostKey = null)
{
    public static Algorithms Default { get; } = new();

    public static Algorithms Of(string kind, string name) => kind switch
    {
        "cipher" => new(Cipher: name),
        "kex" => new(Kex: name),
        "mac" => new(Cipher: "aes128-ctr", Mac: name), // the AEAD ciphers bring their own
        "host key" => new(HostKey: name),
        "default" => Default,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    /// <summary>As lines of ssh_config or sshd_config, which name these alike.</summary>
    public IEnumerable<string> ConfigLines()
    {
        if (Cipher is not null)
        {
            yield return "Ciphers " + Cipher;
        }

        if (Kex is not null)
        {
            yield return "KexAlgorithms " + Kex;
        }

        if (Mac is not null)
        {
            yield return "MACs " + Mac;
        }

        if (HostKey is not null)
        {
            yield return "HostKeyAlgorithms " + HostKey;
        }
    }
}

/// <summary>Which client meets which server.</summary>
internal static class PeerPairs
{
    /// <summary>All four, OpenSSH with itself for comparison.</summary>
    public static TheoryData<Peer, Peer> All => new()
    {
        { Peer.Adit, Peer.Adit },
        { Peer.Adit, Peer.OpenSsh },
        { Peer.OpenSsh, Peer.Adit },
        { Peer.OpenSsh, Peer.OpenSsh },
    };

    /// <summary>Those that ours is part of.</summary>
    public static TheoryData<Peer, Peer> WithOurs => new()
    {
        { Peer.Adit, Peer.Adit },
        { Peer.Adit, Peer.OpenSsh },
        { Peer.OpenSsh, Peer.Adit },
    };
}
