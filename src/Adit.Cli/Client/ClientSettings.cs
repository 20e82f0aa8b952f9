using Adit.Ssh;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Client;

/// <summary>Everything a client run needs, with the command line and all files joined.</summary>
internal sealed class ClientSettings
{
    /// <summary>How to connect and log in.</summary>
    public required SshClientOptions Options { get; init; }

    /// <summary>The host as it was typed, for messages.</summary>
    public required string Host { get; init; }

    /// <summary>A command, a shell or a subsystem is wanted: anything but -N.</summary>
    public bool WantsSession { get; init; }

    /// <summary>-L and LocalForward, command line first.</summary>
    public IReadOnlyList<ForwardSpecification> LocalForwards { get; init; } = [];

    /// <summary>GatewayPorts: a listener without a bind address takes connections from everywhere.</summary>
    public bool GatewayPorts { get; init; }

    /// <summary>ExitOnForwardFailure: one listener that cannot be bound ends it all.</summary>
    public bool ExitOnForwardFailure { get; init; }
}
