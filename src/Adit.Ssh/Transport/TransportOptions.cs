using System.Net;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Adit.Ssh.Transport;

/// <summary>What a <see cref="SshTransport"/> needs to know.</summary>
internal sealed class TransportOptions
{
    public required SshRole Role { get; init; }

    /// <summary>Neither version nor keys are exchanged, nobody logs in and nothing is padded: the peer is a process of this machine, over whose connection the connection
    /// protocol goes alone. See <see cref="SshTransport.StartBare"/>.</summary>
    public bool IsBare { get; init; }

    /// <summary>What is offered, best first.</summary>
    public required AlgorithmPreferences Algorithms { get; init; }

    /// <summary>Server: what it can sign with.</summary>
    public IReadOnlyList<ISigner> HostKeys { get; init; } = [];

    /// <summary>Server: groups for group exchange; asked for when a client first wants one.</summary>
    public Func<ModuliFile> Moduli { get; init; } = static () => ModuliFile.Empty;

    /// <summary>Client: key types known for the host.</summary>
    public IReadOnlyList<string> KnownHostKeyTypes { get; init; } = [];

    /// <summary>Client: send the first packet of the preferred key exchange along with the first SSH_MSG_KEXINIT.</summary>
    public bool SendGuess { get; init; }

    /// <summary>Client: says whether the host key may be trusted, or throws.</summary>
    public Func<PublicKey, CancellationToken, ValueTask>? VerifyHostKey { get; init; }

    /// <summary>VersionAddendum.</summary>
    public string? VersionAddendum { get; init; }

    public RekeyLimit RekeyLimit { get; init; } = RekeyLimit.Default;

    /// <summary>Where the peer is, when the byte transport does not know.</summary>
    public IPEndPoint? RemoteEndPoint { get; init; }

    /// <summary>Bytes accepted from a peer that is not logged in.</summary>
    public long MaxBytesBeforeLogin { get; init; } = 8 * 1024 * 1024;

    public ILogger Logger { get; init; } = NullLogger.Instance;

    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}
