using System.Collections.Frozen;
using Adit.Server.Configuration;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Authentication;

/// <summary>What a line of authorized_keys gives, or a certificate.</summary>
internal static class KeyRights
{
    public const string ForceCommand = "force-command";
    public const string SourceAddress = "source-address";
    public const string VerifyRequired = "verify-required";

    /// <summary>Critical options of certificates that are enforced; any other refuses the certificate.</summary>
    public static IReadOnlyList<string> EnforcedOptions { get; } = [ForceCommand, SourceAddress, VerifyRequired];

    private static readonly (LoginRight Right, string Extension)[] Extensions =
    [
        (LoginRight.PortForwarding, "permit-port-forwarding"), (LoginRight.AgentForwarding, "permit-agent-forwarding"), (LoginRight.X11Forwarding, "permit-X11-forwarding"),
        (LoginRight.Pty, "permit-pty"), (LoginRight.UserRc, "permit-user-rc"),
    ];

    /// <summary>What the options in front of a key give.</summary>
    /// <param name="options">The options; who may use the key (from) is not part of it.</param>
    /// <param name="place">Where they stand: "FILE:LINE".</param>
    /// <param name="config">For PermitUserEnvironment.</param>
    public static LoginRights Of(AuthorizedKeyOptions options, string place, SshdConfig config)
    {
        (LoginRight Right, bool Granted, string Option)[] flags =
        [
            (LoginRight.PortForwarding, options.PortForwarding, "port-forwarding"), (LoginRight.AgentForwarding, options.AgentForwarding, "agent-forwarding"),
            (LoginRight.X11Forwarding, options.X11Forwarding, "X11-forwarding"), (LoginRight.Pty, options.Pty, "pty"), (LoginRight.UserRc, options.UserRc, "user-rc"),
            (LoginRight.Tunnel, options.Tunnel, "tunnel"),
        ];
        var environment = config.Get(K.PermitUserEnvironment);
        return new LoginRights
        {
            Denied = flags.Where(flag => !flag.Granted).ToFrozenDictionary(flag => flag.Right, flag => $"{(options.Restricted ? "restrict" : "no-" + flag.Option)} in {place}"),
            PermitOpen = Permits("permitopen", options.PermitOpen, place),
            PermitListen = Permits("permitlisten", options.PermitListen, place),
            ForcedCommand = options.Command is { } command ? new ForcedCommand(command, $"command in {place}") : null,
            End = options.ExpiryTime is { } expiry ? new RightsEnd(expiry, $"expiry-time {Show(expiry)} in {place}") : null,
            Environment = [.. options.Environment.Where(variable => environment.Permits(variable.Key))],
            TunnelDevice = options.TunnelDevice,
            TouchRequired = !options.NoTouchRequired,
            VerificationRequired = options.VerifyRequired,
        };
    }

    /// <summary>What a certificate gives: of the rights only those that it lists. Null with a reason when it says something that cannot be enforced.</summary>
    public static LoginRights? Of(Certificate certificate, out string? fault)
    {
        fault = null;
        ForcedCommand? forced = null;
        if (certificate.CriticalOptions.FirstOrDefault(option => option.Name == ForceCommand) is { } command)
        {
            if (command.Text is not { } text)
            {
                fault = "Certificate force-command is malformed";
                return null;
            }

            forced = new ForcedCommand(text, "force-command of the certificate");
        }

        var names = certificate.Extensions.Select(extension => extension.Name).ToHashSet();
        return new LoginRights
        {
            Denied = Extensions.Where(row => !names.Contains(row.Extension)).ToFrozenDictionary(row => row.Right, row => $"a certificate without {row.Extension}"),
            ForcedCommand = forced,
            End = certificate.ValidBefore < (ulong)DateTimeOffset.MaxValue.ToUnixTimeSeconds()
                ? new RightsEnd(DateTimeOffset.FromUnixTimeSeconds((long)certificate.ValidBefore), "the certificate has expired")
                : null,
            TouchRequired = !names.Contains("no-touch-required"),
            VerificationRequired = certificate.CriticalOptions.Any(option => option.Name == VerifyRequired),
        };
    }

    /// <summary>OpenSSH's way to show a moment: local time, to the second.</summary>
    public static string Show(DateTimeOffset time) => time.ToLocalTime().ToString("yyyy-MM-dd'T'HH:mm:ss", System.Globalization.CultureInfo.InvariantCulture);

    private static IReadOnlyList<PermittedForwards> Permits(string option, IReadOnlyList<PermitEntry>? entries, string place)
    {
        if (entries is null)
        {
            return [];
        }

        PermittedEndpoint[] list = [.. entries.Select(entry => new PermittedEndpoint(entry.Host, entry.Port))];
        return [new PermittedForwards(list, $"{option} {PeerText.Escape(new PermittedEndpoints(list).ToString(), 500)} in {place}")];
    }
}
