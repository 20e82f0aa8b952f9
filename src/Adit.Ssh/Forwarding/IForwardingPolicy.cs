using System.Net;
using Adit.Ssh.Authentication;

namespace Adit.Ssh.Forwarding;

/// <summary>Says what a peer may have forwarded. Asked at every channel open and every listen request, for a TCP destination again with each resolved address,
/// and for a listener again with each connection it accepts.
/// Never called on the receive loop. Where a server has none, everything is denied.</summary>
public interface IForwardingPolicy
{
    /// <summary>True where <see cref="DecideAsync"/> never blocks the thread that calls it: what takes time is waited for. Then it may be asked on a thread that watches sockets, and
    /// a forwarded connection needs one change of thread less. One that blocks after all holds up other connections.</summary>
    bool NeverBlocks => false;

    /// <summary>Decides one request.</summary>
    ValueTask<ForwardingDecision> DecideAsync(ForwardingRequest request, CancellationToken cancellationToken);
}

/// <summary>What kind of forward is asked for.</summary>
public enum ForwardingKind
{
    /// <summary>direct-tcpip: connect to a TCP destination for the peer.</summary>
    DirectTcp,
    /// <summary>direct-streamlocal@openssh.com: connect to a Unix socket for the peer.</summary>
    DirectStreamLocal,
    /// <summary>tcpip-forward: listen on a TCP port for the peer.</summary>
    ListenTcp,
    /// <summary>streamlocal-forward@openssh.com: listen on a Unix socket for the peer.</summary>
    ListenStreamLocal,
}

/// <summary>Who decides which addresses a listener of <see cref="ForwardingKind.ListenTcp"/> gets (sshd_config(5), GatewayPorts).</summary>
public enum GatewayPorts
{
    /// <summary>Loopback, whatever was asked for.</summary>
    No,
    /// <summary>All addresses, whatever was asked for.</summary>
    Yes,
    /// <summary>What was asked for.</summary>
    ClientSpecified,
}

/// <summary>One question to the policy.</summary>
/// <param name="Principal">Who asks.</param>
/// <param name="Kind">What is asked for.</param>
/// <param name="Host">Destination or listen host exactly as the peer sent it; a socket path for the StreamLocal kinds.</param>
/// <param name="Port">Destination or listen port; 0 for the StreamLocal kinds, and for a listener that asks for any free port.</param>
/// <param name="Resolved">The address about to be connected to, or null while the name is not resolved yet.</param>
public sealed record ForwardingRequest(SshPrincipal Principal, ForwardingKind Kind, string Host, int Port, IPAddress? Resolved);

/// <summary>The policy's answer.</summary>
/// <param name="Allowed">True to go on.</param>
/// <param name="Rule">The rule that decided, for logs and for the person who is refused: "PermitOpen", "AllowTcpForwarding no".</param>
public readonly record struct ForwardingDecision(bool Allowed, string? Rule = null)
{
    /// <summary>For <see cref="ForwardingKind.ListenTcp"/>: which of this machine's addresses the listener may have. Loopback only, unless it says more.</summary>
    public GatewayPorts GatewayPorts { get; init; }

    /// <summary>Remote forwards as such are allowed, and this port would be, were the account another: the client is told that it cannot be listened on.</summary>
    internal bool IsForOthers { get; init; }

    public static ForwardingDecision Allow { get; } = new(true);

    public static ForwardingDecision Deny(string rule) => new(false, rule);
}
