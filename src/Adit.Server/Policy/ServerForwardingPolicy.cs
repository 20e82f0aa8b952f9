using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Server.Users;
using Adit.Ssh.Forwarding;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Policy;

/// <summary>What sshd_config(5) permits to forward: DisableForwarding, AllowTcpForwarding, AllowStreamLocalForwarding, PermitOpen and PermitListen, with the Match
/// blocks of the login.</summary>
/// <param name="config">For principals that another authenticator made.</param>
/// <param name="users">Tells which user this process is.</param>
public sealed class ServerForwardingPolicy(SshdConfig config, IUserDatabase users) : IForwardingPolicy
{
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
            ForwardingKind.ListenTcp => DecideListener(request, rules.Get(K.PermitListen)),
            ForwardingKind.DirectStreamLocal or ForwardingKind.ListenStreamLocal => DecideStreamLocal(request.Kind, direction, rules, login?.Account),
            _ => ForwardingDecision.Deny("unknown kind of forwarding"),
        };
    }

    private static ForwardingDecision DecideTarget(ForwardingRequest request, PermittedEndpoints permitted) =>
        permitted.List is not { } list || list.Any(entry => entry.MatchesTarget(request.Host, request.Port))
            ? ForwardingDecision.Allow
            : ForwardingDecision.Deny($"PermitOpen {permitted}");

    /// <summary>A request for any free port (0) needs an entry for any port.</summary>
    private static ForwardingDecision DecideListener(ForwardingRequest request, PermittedEndpoints permitted) =>
        permitted.List is not { } list || list.Any(entry => entry.MatchesListener(request.Host.ToLowerInvariant(), request.Port))
            ? ForwardingDecision.Allow
            : ForwardingDecision.Deny($"PermitListen {permitted}");

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

        // Sockets are opened as the user this process is. Somebody else would get that user's rights.
        return account is not null && account.Uid == users.ProcessUid
            ? ForwardingDecision.Allow
            : ForwardingDecision.Deny("Unix sockets only for the user that the server runs as");
    }
}
