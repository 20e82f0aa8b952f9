using Adit.Cli.Background;
using Adit.Cli.Multiplexing;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Client;

/// <summary>Everything a client run needs, with the command line and all files joined.</summary>
internal sealed class ClientSettings : IAsyncDisposable
{
    /// <summary>How to connect and log in.</summary>
    public required SshClientOptions Options { get; init; }

    /// <summary>Called when the connection stands: what is to be said about it.</summary>
    public Action<SshClient>? Connected { get; init; }

    /// <summary>Gives the connection that another process holds; null where this one connects.</summary>
    public Func<SshClient>? Attach { get; set; }

    /// <summary>The host as it was typed, for messages.</summary>
    public required string Host { get; init; }

    /// <summary>-L and LocalForward, command line first.</summary>
    public IReadOnlyList<ForwardSpecification> LocalForwards { get; init; } = [];

    /// <summary>-D and DynamicForward, command line first.</summary>
    public IReadOnlyList<ForwardSpecification> DynamicForwards { get; init; } = [];

    /// <summary>-W: where standard input goes to and standard output comes from.</summary>
    public ForwardAddress? StandardIo { get; set; }

    /// <summary>-R and RemoteForward, command line first.</summary>
    public IReadOnlyList<ForwardSpecification> RemoteForwards { get; init; } = [];

    /// <summary>Tunnel, -w.</summary>
    public TunnelMode Tunnel { get; init; }

    /// <summary>TunnelDevice, -w.</summary>
    public TunnelDevice TunnelDevice { get; init; } = new(-1, -1);

    /// <summary>PermitRemoteOpen: where SOCKS clients of those without a destination may go.</summary>
    public PermitRemoteOpen RemoteOpen { get; init; } = PermitRemoteOpen.Any;

    /// <summary>How the local ones are bound: GatewayPorts, AddressFamily, StreamLocalBindUnlink, StreamLocalBindMask.</summary>
    public ListenOptions Listen { get; init; } = new();

    /// <summary>ExitOnForwardFailure: one listener that cannot be bound ends it all.</summary>
    public bool ExitOnForwardFailure { get; init; }

    /// <summary>Set where this process goes into the background once it is logged in; null where it stays.</summary>
    public BackgroundChild? Background { get; set; }

    /// <summary>Set where the connection is to be shared: ControlMaster, ControlPath, ControlPersist.</summary>
    public MasterSettings? Master { get; set; }

    /// <summary>What has to be closed or erased at the end: the agent's connection, opened keys.</summary>
    public IReadOnlyList<object> Owned { get; init; } = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var owned in Owned)
        {
            if (owned is IAsyncDisposable asynchronous)
            {
                await asynchronous.DisposeAsync().ConfigureAwait(false);
            }
            else
            {
                ((IDisposable)owned).Dispose();
            }
        }
    }
}
