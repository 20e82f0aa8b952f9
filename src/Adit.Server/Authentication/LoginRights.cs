using System.Collections.Frozen;
using Adit.Server.Configuration;

namespace Adit.Server.Authentication;

/// <summary>Something that the credentials of a login allow or not.</summary>
public enum LoginRight
{
    /// <summary>TCP and Unix sockets, in every direction.</summary>
    PortForwarding,
    AgentForwarding,
    X11Forwarding,
    /// <summary>A terminal.</summary>
    Pty,
    /// <summary>Running ~/.ssh/rc.</summary>
    UserRc,
    /// <summary>Tunnel devices.</summary>
    Tunnel,
}

/// <summary>The destinations or listeners that one credential names; nothing else is allowed.</summary>
/// <param name="List">What is allowed.</param>
/// <param name="Rule">What says so, for logs and for the person who is refused.</param>
public sealed record PermittedForwards(IReadOnlyList<PermittedEndpoint> List, string Rule);

/// <summary>What runs in place of the command that a client asks for.</summary>
/// <param name="Command">For the user's shell.</param>
/// <param name="Rule">What says so.</param>
public sealed record ForcedCommand(string Command, string Rule);

/// <summary>When rights end.</summary>
/// <param name="Time">The first moment without them.</param>
/// <param name="Rule">What says so.</param>
public sealed record RightsEnd(DateTimeOffset Time, string Rule);

/// <summary>What the credentials of a login give, whatever the configuration allows besides: the options of its line in authorized_keys (sshd(8)), the options and
/// extensions of its certificate (OpenSSH's PROTOCOL.certkeys), of every step where there were several. Immutable. A credential can only take away.</summary>
public sealed record LoginRights
{
    /// <summary>A credential that restricts nothing: a password, a key without options.</summary>
    public static LoginRights Unrestricted { get; } = new();

    /// <summary>Why rights cannot be joined.</summary>
    internal const string Inconsistent = "Inconsistent authentication options: two different commands are forced";

    /// <summary>What is not allowed, and the rule that says so.</summary>
    public IReadOnlyDictionary<LoginRight, string> Denied { get; init; } = FrozenDictionary<LoginRight, string>.Empty;

    /// <summary>permitopen: every entry here is one credential's list, and all of them must have the destination. Unix sockets have no entry in such a list.</summary>
    public IReadOnlyList<PermittedForwards> PermitOpen { get; init; } = [];

    /// <summary>permitlisten: as <see cref="PermitOpen"/>, for listeners on TCP ports.</summary>
    public IReadOnlyList<PermittedForwards> PermitListen { get; init; } = [];

    /// <summary>command, force-command. It forbids no forwarding.</summary>
    public ForcedCommand? ForcedCommand { get; init; }

    /// <summary>expiry-time, a certificate's validity: the earliest. From then on nothing new is allowed.</summary>
    public RightsEnd? End { get; init; }

    /// <summary>environment, as far as PermitUserEnvironment lets it.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Environment { get; init; } = [];

    /// <summary>tunnel: the device to use; -1 for any; null where none was given.</summary>
    public int? TunnelDevice { get; init; }

    /// <summary>A security key's signature counts only when somebody touched the key.</summary>
    public bool TouchRequired { get; init; } = true;

    /// <summary>A security key's signature counts only with a PIN or the like.</summary>
    public bool VerificationRequired { get; init; }

    /// <summary>Why nothing at all is allowed any more, programs included; null while the login stands.</summary>
    public string? Revocation { get; init; }

    /// <summary>The rule against something, or null where it is allowed.</summary>
    public string? RuleAgainst(LoginRight right) => Denied.GetValueOrDefault(right);

    /// <summary>What is left, in OpenSSH's words: " agent-forwarding port-forwarding pty user-rc".</summary>
    public override string ToString() => string.Concat(
        ForcedCommand is null ? "" : " command", Environment.Count == 0 ? "" : " environment", End is null ? "" : " expires",
        Shown(LoginRight.AgentForwarding, " agent-forwarding"), Shown(LoginRight.PortForwarding, " port-forwarding"), PermitOpen.Count == 0 ? "" : " permitopen",
        PermitListen.Count == 0 ? "" : " permitlisten", Shown(LoginRight.Pty, " pty"), Shown(LoginRight.UserRc, " user-rc"), Shown(LoginRight.X11Forwarding, " x11-forwarding"));

    private string Shown(LoginRight right, string name) => RuleAgainst(right) is null ? name : "";

    /// <summary>No right at all.</summary>
    public static LoginRights Nothing(string rule) => new() { Denied = Enum.GetValues<LoginRight>().ToFrozenDictionary(right => right, _ => rule), Revocation = rule };

    /// <summary>What is left when both restrict: what either denies is denied. Null when they cannot both hold, because each forces another command.</summary>
    public LoginRights? And(LoginRights other)
    {
        if (ForcedCommand is { } mine && other.ForcedCommand is { } theirs && mine.Command != theirs.Command)
        {
            return null;
        }

        return new LoginRights
        {
            Denied = Denied.Concat(other.Denied.Where(entry => !Denied.ContainsKey(entry.Key))).ToFrozenDictionary(),
            PermitOpen = [.. PermitOpen, .. other.PermitOpen],
            PermitListen = [.. PermitListen, .. other.PermitListen],
            ForcedCommand = ForcedCommand ?? other.ForcedCommand,
            End = End is null || other.End?.Time < End.Time ? other.End : End,
            Environment = [.. Environment, .. other.Environment.Where(theirs => Environment.All(mine => mine.Key != theirs.Key))],
            TunnelDevice = TunnelDevice ?? other.TunnelDevice,
            TouchRequired = TouchRequired || other.TouchRequired,
            VerificationRequired = VerificationRequired || other.VerificationRequired,
            Revocation = Revocation ?? other.Revocation,
        };
    }
}
