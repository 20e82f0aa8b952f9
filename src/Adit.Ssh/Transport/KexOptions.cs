using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Adit.Ssh.Transport;

/// <summary>What a <see cref="KexSession"/> needs to know besides the peer's messages.</summary>
internal sealed class KexOptions
{
    /// <summary>What is offered, best first.</summary>
    public required AlgorithmPreferences Algorithms { get; init; }

    /// <summary>Server: host keys and host certificates; of two that fit the negotiated algorithm the first is used.</summary>
    public IReadOnlyList<ISigner> HostKeys { get; init; } = [];

    /// <summary>Client: key types known for this host (<see cref="IHostKeyVerifier.KnownKeyTypes"/>).</summary>
    public IReadOnlyList<string> KnownHostKeyTypes { get; init; } = [];

    /// <summary>Server: groups for group exchange; asked for when a client first wants one.</summary>
    public Func<ModuliFile> Moduli { get; init; } = static () => ModuliFile.Empty;

    /// <summary>Client: send the first packet of the preferred key exchange method along with the first KEXINIT, without waiting for the server's.</summary>
    public bool SendGuess { get; init; }

    /// <summary>Offer strict key exchange. Off only to play an old peer in tests.</summary>
    public bool OfferStrict { get; init; } = true;

    /// <summary>For the log's "rekey out after … blocks" alone; <see cref="RekeyPolicy"/> decides.</summary>
    public RekeyLimit RekeyLimit { get; init; } = RekeyLimit.Default;

    /// <summary>Where the peer is, for messages.</summary>
    public string RemoteAddress { get; init; } = "UNKNOWN";

    public int RemotePort { get; init; } = 65535;

    /// <summary>Gets debug1 lines in OpenSSH's words.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;
}
