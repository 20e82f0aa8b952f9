namespace Adit.Ssh.Transport;

/// <summary>Settings of one server connection that depend on who logged in. A null member leaves what the server's options say.</summary>
public sealed record ConnectionSettings
{
    /// <summary>ClientAliveInterval; zero turns keepalives off.</summary>
    public TimeSpan? KeepAliveInterval { get; init; }

    /// <summary>ClientAliveCountMax.</summary>
    public int? KeepAliveCountMax { get; init; }

    /// <summary>RekeyLimit.</summary>
    public RekeyLimit? RekeyLimit { get; init; }

    /// <summary>ChannelTimeout, see <see cref="SshServerOptions.ChannelTimeouts"/>.</summary>
    public IReadOnlyList<ChannelTimeout>? ChannelTimeouts { get; init; }

    /// <summary>UnusedConnectionTimeout, see <see cref="SshServerOptions.UnusedConnectionTimeout"/>; zero for none.</summary>
    public TimeSpan? UnusedConnectionTimeout { get; init; }
}

/// <summary>How long channels of some type may carry no data before they are closed (sshd_config(5), ChannelTimeout).</summary>
/// <param name="Types">A pattern over the types: "direct-tcpip", "direct-streamlocal@openssh.com", "forwarded-tcpip", "forwarded-streamlocal@openssh.com",
/// "agent-connection", "x11-connection", "tun-connection", "session"; or "global", which no pattern matches: all channels together.</param>
/// <param name="Idle">Zero for no limit.</param>
public sealed record ChannelTimeout(string Types, TimeSpan Idle);
