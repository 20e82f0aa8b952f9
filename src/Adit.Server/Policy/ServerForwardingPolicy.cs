using System.Globalization;
using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Server.Users;
using Adit.Ssh.Forwarding;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Policy;

/// <summary>What may be forwarded now: sshd_config(5)'s DisableForwarding, AllowTcpForwarding, AllowStreamLocalForwarding, PermitOpen, PermitListen and GatewayPorts
/// with the Match blocks of the login, and what the login's keys and certificates give (<see cref="LoginRights"/>). Both must allow it.</summary>
/// <param name="live">For principals that another authenticator made.</param>
/// <param name="users">Tells which user this process is.</param>
/// <param name="clock">For rights that end.</param>
public sealed class ServerForwardingPolicy(LiveSshdConfig live, IUserDatabase users, TimeProvider? clock = null) : IForwardingPolicy
{
    private static readonly int SystemsFirstUnprivilegedPort = ReadFirstUnprivilegedPort();

    private readonly TimeProvider _clock = clock ?? TimeProvider.System;

    /// <summary>Lower ports are bound for root only. Linux can be told another number than 1024.</summary>
    internal int FirstUnprivilegedPort { get; init; } = SystemsFirstUnprivilegedPort;

    /// <summary>Always: what may take time, looking at the files that let a user in, is waited for.</summary>
    public bool NeverBlocks => true;

    public ValueTask<ForwardingDecision> DecideAsync(ForwardingRequest request, CancellationToken cancellationToken)
    {
        if (request.Principal.State is not ServerLogin login)
        {
            return ValueTask.FromResult(Decide(request, new LoginGrant(live.Current, LoginRights.Unrestricted), null));
        }

        var now = login.NowAsync(cancellationToken);
        return now.IsCompletedSuccessfully ? ValueTask.FromResult(Decide(request, now.Result, login.Account)) : DecideLaterAsync(request, login.Account, now);
    }

    private async ValueTask<ForwardingDecision> DecideLaterAsync(ForwardingRequest request, UserAccount account, ValueTask<LoginGrant> now) =>
        Decide(request, await now.ConfigureAwait(false), account);

    private ForwardingDecision Decide(ForwardingRequest request, LoginGrant grant, UserAccount? account)
    {
        if (grant.RuleAgainst(LoginRight.PortForwarding, _clock.GetUtcNow()) is { } against)
        {
            return ForwardingDecision.Deny(against);
        }

        // OpenSSH keeps one set of permissions for TCP and Unix sockets, so that AllowTcpForwarding switches off both. Told apart here, denied alike.
        var direction = request.Kind is ForwardingKind.DirectTcp or ForwardingKind.DirectStreamLocal ? ForwardingDirections.Local : ForwardingDirections.Remote;
        var tcp = grant.Config.Get(K.AllowTcpForwarding);
        if ((tcp & direction) == 0)
        {
            return ForwardingDecision.Deny($"AllowTcpForwarding {tcp.ToString().ToLowerInvariant()}");
        }

        return request.Kind switch
        {
            ForwardingKind.DirectTcp => DecideTarget(grant, entry => entry.MatchesTarget(request.Host, request.Port)),
            ForwardingKind.ListenTcp => DecideListener(request, grant, account),
            ForwardingKind.DirectStreamLocal or ForwardingKind.ListenStreamLocal => DecideStreamLocal(request.Kind, direction, grant, account),
            _ => ForwardingDecision.Deny("unknown kind of forwarding"),
        };
    }

    private static ForwardingDecision DecideTarget(LoginGrant grant, Func<PermittedEndpoint, bool> matches) =>
        RuleAgainst("PermitOpen", grant.Config.Get(K.PermitOpen), grant.Rights.PermitOpen, matches) is { } rule ? ForwardingDecision.Deny(rule) : ForwardingDecision.Allow;

    /// <summary>Every list must have it: the configuration's, and that of each credential that has one.</summary>
    private static string? RuleAgainst(string directive, PermittedEndpoints permitted, IReadOnlyList<PermittedForwards> more, Func<PermittedEndpoint, bool> matches) =>
        permitted.List is { } list && !list.Any(matches)
            ? $"{directive} {Shorten(permitted.ToString())}"
            : more.FirstOrDefault(credential => !credential.List.Any(matches))?.Rule;

    /// <summary>A list may have thousands of entries; this is for a line of text.</summary>
    private static string Shorten(string list)
    {
        const int most = 500;
        return list.Length <= most ? list : string.Concat(list.AsSpan(0, most), "...");
    }

    /// <summary>A request for any free port (0) needs an entry for any port.</summary>
    private ForwardingDecision DecideListener(ForwardingRequest request, LoginGrant grant, UserAccount? account)
    {
        var host = request.Host.ToLowerInvariant();
        if (RuleAgainst("PermitListen", grant.Config.Get(K.PermitListen), grant.Rights.PermitListen, entry => entry.MatchesListener(host, request.Port)) is { } rule)
        {
            return ForwardingDecision.Deny(rule);
        }

        // Ports are bound as the user this process is: where that is root, the kernel does not say no for it.
        return request.Port > 0 && request.Port < FirstUnprivilegedPort && users.ProcessUid == 0 && account?.Uid != 0
            ? ForwardingDecision.Deny($"Permission denied (ports below {FirstUnprivilegedPort} are for root only)") with { IsForOthers = true }
            : ForwardingDecision.Allow with { GatewayPorts = grant.Config.Get(K.GatewayPorts) };
    }

    private ForwardingDecision DecideStreamLocal(ForwardingKind kind, ForwardingDirections direction, LoginGrant grant, UserAccount? account)
    {
        var allowed = grant.Config.Get(K.AllowStreamLocalForwarding);
        if ((allowed & direction) == 0)
        {
            return ForwardingDecision.Deny($"AllowStreamLocalForwarding {allowed.ToString().ToLowerInvariant()}");
        }

        // OpenSSH's server has such a login's whole process in that folder, so that its sockets are looked for inside. Outside it they must not be.
        if (!grant.Config.Get(SessionKeywords.ChrootDirectory).Equals("none", StringComparison.OrdinalIgnoreCase))
        {
            return ForwardingDecision.Deny("ChrootDirectory (Unix sockets inside it are not built)");
        }

        // A list of permitted destinations has no paths in it: only one that allows everything allows a socket. Lists of listeners are about ports alone.
        if (kind == ForwardingKind.DirectStreamLocal && DecideTarget(grant, entry => entry is { Host: "*", Port: null }) is { Allowed: false } denied)
        {
            return denied;
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
