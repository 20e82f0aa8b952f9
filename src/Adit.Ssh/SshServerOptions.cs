using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Authentication;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Adit.Ssh;

/// <summary>How a server listens, identifies itself and whom it lets do what.</summary>
public sealed class SshServerOptions
{
    /// <summary>Addresses to listen on. Port 0 takes a free one.</summary>
    public IList<IPEndPoint> Endpoints { get; } = [];

    /// <summary>Sockets that listen already, of a supervisor that opened them (systemd's socket activation, say). Where there are any, <see cref="Endpoints"/> are not bound.
    /// They become the server's.</summary>
    public IList<Socket> ListeningSockets { get; } = [];

    /// <summary>Host keys and host certificates. At least one.</summary>
    public IList<ISigner> HostKeys { get; } = [];

    /// <summary>Who may log in. Without one nobody may.</summary>
    public IUserAuthenticator? Authenticator { get; set; }

    /// <summary>What may be forwarded. Without one nothing may.</summary>
    public IForwardingPolicy? ForwardingPolicy { get; set; }

    /// <summary>How Unix sockets are opened for whoever logged in, where <see cref="ForwardingPolicy"/> allows it. Without one none are. <see cref="ProcessUnixSockets"/> opens
    /// them with this process's own rights.</summary>
    public IUnixSocketOpener? UnixSockets { get; set; }

    /// <summary>What is offered besides forwarding.</summary>
    internal IList<IConnectionService> Services { get; } = [];

    /// <summary>ModuliFile: groups for diffie-hellman-group-exchange; without it, or while it cannot be read, the groups of RFC 3526 serve.</summary>
    public string? ModuliFile { get; set; }

    /// <summary>Null means the defaults.</summary>
    public AlgorithmPreferences? Algorithms { get; set; }

    /// <summary>LoginGraceTime: from accepting to login; null for no limit.</summary>
    public TimeSpan? LoginGraceTime { get; set; } = TimeSpan.FromSeconds(120);

    /// <summary>MaxAuthTries.</summary>
    public int MaxAuthTries { get; set; } = 6;

    /// <summary>Unauthenticated connections at once; more are refused (MaxStartups' third number).</summary>
    public int MaxStartups { get; set; } = 100;

    /// <summary>From this many unauthenticated connections on, some new ones are refused at random (MaxStartups' first number).</summary>
    public int MaxStartupsBegin { get; set; } = 10;

    /// <summary>Per cent refused at <see cref="MaxStartupsBegin"/>, rising linearly to 100 at <see cref="MaxStartups"/> (MaxStartups' second number, 1–100).</summary>
    public int MaxStartupsRate { get; set; } = 30;

    /// <summary>FingerprintHash: "SHA256" or "MD5", for the log.</summary>
    internal string FingerprintHash { get; set; } = "SHA256";

    /// <summary>PerSourceMaxStartups and PerSourcePenalties.</summary>
    internal SourceRules SourceRules { get; set; } = SourceRules.None;

    /// <summary>Stops listening after so many connections (sshd -d serves one); null for no limit.</summary>
    public int? AcceptLimit { get; set; }

    /// <summary>Remote forwards (-R) that one connection may have at a time; further ones are refused. Each holds one socket per address family. Those of
    /// Unix sockets are counted apart and have the same limit.</summary>
    public int MaxRemoteForwards { get; set; } = 4096;

    /// <summary>AddressFamily: which addresses a forward's destination name may resolve to, and which a remote forward may listen on.</summary>
    public AddressFamily AddressFamily { get; set; } = AddressFamily.Unspecified;

    /// <summary>RemoteForwardTakeoverTimeout: who asks for a listener that an older session of theirs has gets it when that session, asked for a sign of life, sends
    /// nothing for so long; it is then closed. Theirs is a session of the same user by the same methods with the same key. Zero turns this off: a listener is
    /// freed by its own session's end alone.</summary>
    public TimeSpan RemoteForwardTakeoverTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>ClientAliveInterval: a client that was silent for so long is asked for a sign of life; zero turns keepalives off. OpenSSH's default is zero.</summary>
    public TimeSpan KeepAliveInterval { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>ClientAliveCountMax: a client that leaves so many keepalives unanswered is given up at the next; zero for never.</summary>
    public int KeepAliveCountMax { get; set; } = 3;

    public RekeyLimit RekeyLimit { get; set; } = RekeyLimit.Default;

    /// <summary>ChannelTimeout: channels of these types are closed when they have carried no data for so long; the first pattern that matches counts.
    /// Measured to the second.</summary>
    public IReadOnlyList<ChannelTimeout> ChannelTimeouts { get; set; } = [];

    /// <summary>UnusedConnectionTimeout: a connection without channels is ended when its last channel (or login) was so long ago. Listeners of remote forwards are no
    /// channels. Null or zero for never.</summary>
    public TimeSpan? UnusedConnectionTimeout { get; set; }

    /// <summary>TCPKeepAlive.</summary>
    public bool TcpKeepAlive { get; set; } = true;

    /// <summary>Text for SSH_MSG_USERAUTH_BANNER, or null.</summary>
    public string? Banner { get; set; }

    /// <summary>VersionAddendum: appended to the identification string.</summary>
    public string? VersionAddendum { get; set; }

    /// <summary>Called where the work for a new connection begins, on its own flow of control.</summary>
    internal Action? ConnectionBegins { get; set; }

    /// <summary>Log levels as in <see cref="SshClientOptions.LoggerFactory"/>.</summary>
    public ILoggerFactory LoggerFactory { get; set; } = NullLoggerFactory.Instance;

    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;
}
