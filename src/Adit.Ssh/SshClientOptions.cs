using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Authentication;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Transport;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Adit.Ssh;

/// <summary>How a client connects and logs in.</summary>
public sealed class SshClientOptions
{
    /// <summary>Takes "host", "user@host", "user@host:port", "[v6]:port" (the last '@' splits).</summary>
    public SshClientOptions(string destination)
    {
        ArgumentException.ThrowIfNullOrEmpty(destination);
        int at = destination.LastIndexOf('@');
        if (at >= 0)
            UserName = destination[..at];
        string host = destination[(at + 1)..];
        bool hasPort = host.StartsWith('[') || host.AsSpan().Count(':') == 1; // a bare IPv6 address has more colons and no port
        if (hasPort && ForwardAddress.TryParse(host, out var address) && address.Host is not null)
            (Host, Port) = (address.Host, address.Port);
        else
            Host = host;
        if (Host.Length == 0 || UserName.Length == 0 || Port == 0 || (hasPort && Host == host))
            throw new ArgumentException("expected host, user@host, user@host:port or [v6]:port", nameof(destination));
    }

    public SshClientOptions()
    {
    }

    /// <summary>Host name or address to connect to.</summary>
    public string Host { get; set; } = "";

    /// <summary>1–65535.</summary>
    public int Port { get; set; } = 22;

    public string UserName { get; set; } = Environment.UserName;

    /// <summary>The name host keys are looked up under, when not <see cref="Host"/> (HostKeyAlias).</summary>
    public string? HostKeyAlias { get; set; }

    /// <summary>What to log in with, in order.</summary>
    public IList<Credential> Credentials { get; } = [];

    /// <summary>PreferredAuthentications: methods in the order to try them.</summary>
    public IReadOnlyList<string> PreferredAuthentications { get; set; } = ["publickey", "keyboard-interactive", "password"];

    /// <summary>Who says whether the host key is trusted. Required.</summary>
    public IHostKeyVerifier? HostKeyVerifier { get; set; }

    /// <summary>What servers agreed to earlier, to be done with the next connection to them a round trip sooner. Null: nothing is remembered.</summary>
    public KexMemory? KexMemory { get; set; }

    /// <summary>Null means the defaults.</summary>
    public AlgorithmPreferences? Algorithms { get; set; }

    /// <summary>Covers TCP connect, version exchange and first key exchange up to, not including, questions to a person. Null: no limit but the system's.</summary>
    public TimeSpan? ConnectTimeout { get; set; }

    /// <summary>ConnectionAttempts: rounds over all addresses, one second apart.</summary>
    public int ConnectionAttempts { get; set; } = 1;

    public AddressFamily AddressFamily { get; set; } = AddressFamily.Unspecified;

    /// <summary>BindAddress: the local address to connect from.</summary>
    public IPAddress? BindAddress { get; set; }

    /// <summary>TCPKeepAlive.</summary>
    public bool TcpKeepAlive { get; set; } = true;

    /// <summary>ServerAliveInterval: a server that was silent for so long is asked for a sign of life; zero turns keepalives off. OpenSSH's default is zero.</summary>
    public TimeSpan KeepAliveInterval { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>ServerAliveCountMax: unanswered keepalives before the connection is given up.</summary>
    public int KeepAliveCountMax { get; set; } = 3;

    /// <summary>VersionAddendum: appended to the identification string.</summary>
    public string? VersionAddendum { get; set; }

    /// <summary>Gets every TCP socket before it is connected: for socket options, or to bind it to an interface. What it throws as <see cref="SocketException"/> counts as a failed
    /// connect.</summary>
    public Action<Socket>? ConfigureSocket { get; set; }

    /// <summary>Whether a login with a key is bound to the host key where the server can (publickey-hostbound-v00@openssh.com). False for PubkeyAuthentication unbound.</summary>
    public bool HostBoundPublicKey { get; set; } = true;

    /// <summary>KbdInteractiveDevices: what the server is asked to ask with, comma-separated. Empty leaves it to the server.</summary>
    public string KbdInteractiveDevices { get; set; } = "";

    /// <summary>Gets what keys the server says it has, after login and once each is proved to be its own (UpdateHostKeys). Null: what it says is passed over.</summary>
    public IHostKeyUpdater? HostKeyUpdater { get; set; }

    /// <summary>ChannelTimeout: channels of these types are closed when they have carried no data for so long; the first pattern that matches counts.</summary>
    public IReadOnlyList<ChannelTimeout> ChannelTimeouts { get; set; } = [];

    public RekeyLimit RekeyLimit { get; set; } = RekeyLimit.Default;

    /// <summary>Replaces the TCP connect: a proxy command, a channel of another connection.</summary>
    public Func<SshClientOptions, CancellationToken, ValueTask<Stream>>? ConnectCallback { get; set; }

    /// <summary>Gets SSH_MSG_USERAUTH_BANNER texts, already escaped for a terminal.</summary>
    public Action<string>? Banner { get; set; }

    /// <summary>Log levels: Error = error, Warning and Information = OpenSSH's INFO lines, Debug = debug1, Trace = debug2 and up.</summary>
    public ILoggerFactory LoggerFactory { get; set; } = NullLoggerFactory.Instance;

    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;
}
