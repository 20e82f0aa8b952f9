using System.Globalization;
using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Server.Users;
using Adit.Ssh.Forwarding;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Policy;

/// <summary>What sshd_config(5) permits to forward: DisableForwarding, AllowTcpForwarding, AllowStreamLocalForwarding, PermitOpen, PermitListen and
/// GatewayPorts, with the Match blocks of the login.</summary>
/// <param name="config">For principals that another authenticator made.</param>
/// <param name="users">Tells which user this process is.</param>
public sealed class ServerForwardingPolicy(SshdConfig config, IUserDatabase users) : IForwardingPolicy
{
    private static readonly int SystemsFirstUnprivilegedPort = ReadFirstUnprivilegedPort();

    /// <summary>Lower ports are bound for root only. Linux can be told another number than 1024.</summary>
    internal int FirstUnprivilegedPort { get; init; } = SystemsFirstUnprivilegedPort;

    public ValueTask<ForwardingDecision> DecideAsync(ForwardingRequest request, CancellationToken cancellationToken) => ValueTask.FromResult(Decide(request));

    private ForwardingDecision Decide(ForwardingRequest request)
    {
        var login = request.Principal.State as ServerLogin;
        var rules = login?.Config ?? config;
        if (rules.Get(K.DisableForwarding))
        {
            return ForwardingDecision.Deny("DisableForwarding yes");
        }

        if (login?.Restrictions.ForwardingForbiddenBy is { } reason)
        {
            return ForwardingDecision.Deny(reason);
        }

        // OpenSSH keeps one set of permissions for TCP and Unix sockets, so that AllowTcpForwarding switches off both. Told apart here, denied alike.
        var direction = request.Kind is ForwardingKind.DirectTcp or ForwardingKind.DirectStreamLocal ? ForwardingDirections.Local : ForwardingDirections.Remote;
        var tcp = rules.Get(K.AllowTcpForwarding);
        if ((tcp & direction) == 0)
        {
            return ForwardingDecision.Deny($"AllowTcpForwarding {tcp.ToString().ToLowerInvariant()}");
        }

        return request.Kind switch
        {
            ForwardingKind.DirectTcp => DecideTarget(request, rules.Get(K.PermitOpen)),
            ForwardingKind.ListenTcp => DecideListener(request, rules, login?.Account),
            ForwardingKind.DirectStreamLocal or ForwardingKind.ListenStreamLocal => DecideStreamLocal(request.Kind, direction, rules, login?.Account),
            _ => ForwardingDecision.Deny("unknown kind of forwarding"),
        };
    }

    private static ForwardingDecision DecideTarget(ForwardingRequest request, PermittedEndpoints permitted) =>
        permitted.List is not { } list || list.Any(entry => entry.MatchesTarget(request.Host, request.Port))
            ? ForwardingDecision.Allow
            : ForwardingDecision.Deny($"PermitOpen {permitted}");

    /// <summary>A request for any free port (0) needs an entry for any port.</summary>
    private ForwardingDecision DecideListener(ForwardingRequest request, SshdConfig rules, UserAccount? account)
    {
        var permitted = rules.Get(K.PermitListen);
        if (permitted.List is { } list && !list.Any(entry => entry.MatchesListener(request.Host.ToLowerInvariant(), request.Port)))
        {
            return ForwardingDecision.Deny($"PermitListen {permitted}");
        }

        // Ports are bound as the user this process is: where that is root, the kernel does not say no for it.
        return request.Port > 0 && request.Port < FirstUnprivilegedPort && users.ProcessUid == 0 && account?.Uid != 0
            ? ForwardingDecision.Deny($"ports below {FirstUnprivilegedPort} are for root only")
            : ForwardingDecision.Allow with { GatewayPorts = rules.Get(K.GatewayPorts) };
    }

    private ForwardingDecision DecideStreamLocal(ForwardingKind kind, ForwardingDirections direction, SshdConfig rules, UserAccount? account)
    {
        var allowed = rules.Get(K.AllowStreamLocalForwarding);
        if ((allowed & direction) == 0)
        {
            return ForwardingDecision.Deny($"AllowStreamLocalForwarding {allowed.ToString().ToLowerInvariant()}");
        }

        // A list of permitted destinations has no paths in it: only one that allows everything allows a socket.
        if (kind == ForwardingKind.DirectStreamLocal
            && rules.Get(K.PermitOpen) is { List: { } list } permitted && !list.Any(entry => entry is { Host: "*", Port: null }))
        {
            return ForwardingDecision.Deny($"PermitOpen {permitted}");
        }

        return UserIdentity.Obstacle(users.ProcessUid, account) is { } obstacle ? ForwardingDecision.Deny(obstacle) : ForwardingDecision.Allow;
    }

    private static int ReadFirstUnprivilegedPort()
    {
        const int usual = 1024;
        try
        {
            return int.TryParse(File.ReadAllText("/proc/sys/net/ipv4/ip_unprivileged_port_start"), NumberStyles.None | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out var port)
                ? port
                : usual;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return usual;
        }
    }
}
