using Adit.Ssh.Cryptography;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Transport;

/// <summary>What protects one direction.</summary>
/// <param name="Cipher">Name of the cipher.</param>
/// <param name="Mac">Name of the MAC; null where the cipher is an AEAD and none was negotiated.</param>
/// <param name="Compression">"none" or "zlib@openssh.com".</param>
internal sealed record DirectionAlgorithms(string Cipher, string? Mac, string Compression);

/// <summary>What both sides agreed on.</summary>
internal sealed record NegotiatedAlgorithms(string KeyExchange, string HostKey, DirectionAlgorithms ClientToServer, DirectionAlgorithms ServerToClient)
{
    /// <summary>What <paramref name="role"/> sends with.</summary>
    public DirectionAlgorithms Outbound(SshRole role) => role == SshRole.Client ? ClientToServer : ServerToClient;

    /// <summary>What <paramref name="role"/> receives with.</summary>
    public DirectionAlgorithms Inbound(SshRole role) => role == SshRole.Client ? ServerToClient : ClientToServer;
}

/// <summary>Chooses algorithms from two KEXINIT messages (RFC 4253, section 7.1): of everything the client offers, the first that the server offers too.</summary>
internal static class KexNegotiation
{
    // Names in the list of key exchange methods that are no methods but flags of the sender.
    public const string ExtInfoClient = "ext-info-c";
    public const string ExtInfoServer = "ext-info-s";
    public const string StrictClient = "kex-strict-c-v00@openssh.com";
    public const string StrictServer = "kex-strict-s-v00@openssh.com";

    /// <summary>How much of a peer's offer an error shows.</summary>
    private const int MaxShownOffer = 1024;

    /// <summary>True for names that <see cref="Negotiate"/> never chooses.</summary>
    public static bool IsPseudoAlgorithm(string name) => name is ExtInfoClient or ExtInfoServer or StrictClient or StrictServer;

    /// <summary>The first of the client's names that the server has too; null when there is none.</summary>
    public static string? FirstMatch(IReadOnlyList<string> client, IReadOnlyList<string> server)
    {
        foreach (string name in client)
        {
            if (!IsPseudoAlgorithm(name) && server.Contains(name))
                return name;
        }
        return null;
    }

    /// <summary>Chooses everything. Throws <see cref="SshException"/> (<see cref="SshError.NoCommonAlgorithm"/>) naming the first list without a match.</summary>
    /// <param name="remoteAddress">The peer, for the error's text.</param>
    public static NegotiatedAlgorithms Negotiate(SshRole role, KexInitMessage local, KexInitMessage remote, string remoteAddress, int remotePort)
    {
        var match = new Matcher(role, remoteAddress, remotePort);
        string keyExchange = match.Choose(AlgorithmKind.KeyExchange, local.KeyExchange, remote.KeyExchange);
        string hostKey = match.Choose(AlgorithmKind.HostKey, local.HostKey, remote.HostKey);
        var clientToServer = match.Direction(
            (local.CiphersClientToServer, local.MacsClientToServer, local.CompressionClientToServer),
            (remote.CiphersClientToServer, remote.MacsClientToServer, remote.CompressionClientToServer));
        var serverToClient = match.Direction(
            (local.CiphersServerToClient, local.MacsServerToClient, local.CompressionServerToClient),
            (remote.CiphersServerToClient, remote.MacsServerToClient, remote.CompressionServerToClient));
        return new NegotiatedAlgorithms(keyExchange, hostKey, clientToServer, serverToClient);
    }

    /// <summary>True when a packet sent along with KEXINIT on the sender's guess is the right one: both sides like the same key exchange method and
    /// host key algorithm best (RFC 4253, section 7).</summary>
    public static bool GuessIsRight(KexInitMessage one, KexInitMessage other) =>
        one.KeyExchange.Count > 0 && other.KeyExchange.Count > 0 && one.KeyExchange[0] == other.KeyExchange[0]
        && one.HostKey.Count > 0 && other.HostKey.Count > 0 && one.HostKey[0] == other.HostKey[0];

    /// <summary>Puts the host key algorithms first that use a key type known for this host, so that a server with several keys presents one the client
    /// can check. Where the best algorithm is among them the list stays as it is. A known plain key counts for its certificate forms too.</summary>
    /// <param name="knownKeyTypes">Key types as they stand in known_hosts; for a certificate authority, certificate types.</param>
    public static IReadOnlyList<string> OrderHostKeyAlgorithms(IReadOnlyList<string> preferred, IReadOnlyCollection<string> knownKeyTypes)
    {
        if (preferred.Count == 0 || knownKeyTypes.Count == 0 || IsKnown(preferred[0]))
            return preferred;
        return [.. preferred.Where(IsKnown), .. preferred.Where(name => !IsKnown(name))];

        bool IsKnown(string algorithm)
        {
            return Algorithms.FindHostKey(algorithm) is { } row
                && (knownKeyTypes.Contains(row.KeyType) || knownKeyTypes.Contains(row.PlainKeyType));
        }
    }

    /// <summary>True for ciphers that authenticate by themselves: no MAC is negotiated for them.</summary>
    public static bool MacIsImplicit(string cipher) => Algorithms.FindCipher(cipher) is { IsAead: true };

    private readonly struct Matcher(SshRole role, string remoteAddress, int remotePort)
    {
        public DirectionAlgorithms Direction(
            (IReadOnlyList<string> Ciphers, IReadOnlyList<string> Macs, IReadOnlyList<string> Compression) local,
            (IReadOnlyList<string> Ciphers, IReadOnlyList<string> Macs, IReadOnlyList<string> Compression) remote)
        {
            string cipher = Choose(AlgorithmKind.Cipher, local.Ciphers, remote.Ciphers);
            string? mac = MacIsImplicit(cipher) ? null : Choose(AlgorithmKind.Mac, local.Macs, remote.Macs);
            string compression = Choose(AlgorithmKind.Compression, local.Compression, remote.Compression);
            return new DirectionAlgorithms(cipher, mac, compression);
        }

        public string Choose(AlgorithmKind kind, IReadOnlyList<string> local, IReadOnlyList<string> remote)
        {
            var (client, server) = role == SshRole.Client ? (local, remote) : (remote, local);
            return FirstMatch(client, server) ?? throw NoMatch(kind, local, remote);
        }

        private SshException NoMatch(AlgorithmKind kind, IReadOnlyList<string> local, IReadOnlyList<string> remote)
        {
            var (words, option) = kind switch
            {
                AlgorithmKind.KeyExchange => ("key exchange method", "KexAlgorithms"),
                AlgorithmKind.HostKey => ("host key type", "HostKeyAlgorithms"),
                AlgorithmKind.Cipher => ("cipher", "Ciphers"),
                AlgorithmKind.Mac => ("MAC", "MACs"),
                _ => ("compression", "Compression"),
            };
            string address = remoteAddress.Length > 200 ? remoteAddress[..200] : remoteAddress;
            return new SshException(SshError.NoCommonAlgorithm,
                $"Unable to negotiate with {address} port {remotePort}: no matching {words} found. Their offer: {Shown(remote)}")
            {
                DisconnectReason = DisconnectReason.KeyExchangeFailed,
                Hint = $"This side offers: {Shown(local.Where(name => !IsPseudoAlgorithm(name)))}. {option} changes that"
                    + (role == SshRole.Client && kind != AlgorithmKind.Compression ? $" (-o {option}=+name adds one, if it is implemented)." : "."),
            };
        }

        private static string Shown(IEnumerable<string> names)
        {
            string offer = string.Join(',', names);
            return offer.Length > MaxShownOffer ? offer[..MaxShownOffer] + "…" : offer;
        }
    }
}
