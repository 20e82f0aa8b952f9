using System.Globalization;

namespace Adit.Ssh.OpenSsh;

/// <summary>LogLevel.</summary>
public enum SshConfigLogLevel
{
    Quiet,
    Fatal,
    Error,
    Info,
    Verbose,
    Debug1,
    Debug2,
    Debug3,
}

/// <summary>AddressFamily.</summary>
public enum SshConfigAddressFamily
{
    Any,
    Inet,
    Inet6,
}

/// <summary>CanonicalizeHostname.</summary>
public enum CanonicalizeHostname
{
    No,
    /// <summary>Only without a proxy.</summary>
    Yes,
    Always,
}

/// <summary>ControlMaster.</summary>
public enum ControlMasterMode
{
    No,
    Yes,
    Ask,
    Auto,
    AutoAsk,
}

/// <summary>RequestTTY.</summary>
public enum RequestTty
{
    Auto,
    No,
    Yes,
    Force,
}

/// <summary>SessionType.</summary>
public enum SessionType
{
    Default,
    None,
    Subsystem,
}

/// <summary>PubkeyAuthentication.</summary>
public enum PubkeyAuthentication
{
    No,
    Yes,
    /// <summary>Without OpenSSH's host-bound extension.</summary>
    Unbound,
    /// <summary>Only with it.</summary>
    HostBound,
}

/// <summary>Keywords that take yes, no or ask.</summary>
public enum YesNoAsk
{
    No,
    Yes,
    Ask,
}

/// <summary>AddKeysToAgent's first word.</summary>
public enum AddKeysMode
{
    No,
    Yes,
    Ask,
    /// <summary>The agent asks at every use.</summary>
    Confirm,
}

/// <summary>AddKeysToAgent.</summary>
/// <param name="Mode">Whether keys are added.</param>
/// <param name="Lifetime">How long the agent keeps them; null for ever.</param>
public readonly record struct AddKeysToAgent(AddKeysMode Mode, TimeSpan? Lifetime = null);

/// <summary>ForwardAgent.</summary>
/// <param name="Enabled">False for no.</param>
/// <param name="Socket">Path of the agent's socket, or "$VARIABLE" that holds it; null for the usual agent.</param>
public readonly record struct AgentForwarding(bool Enabled, string? Socket = null);

/// <summary>ControlPersist.</summary>
/// <param name="Enabled">False for no.</param>
/// <param name="Timeout">Idle time after which the master ends; null for never.</param>
public readonly record struct ControlPersist(bool Enabled, TimeSpan? Timeout = null);

/// <summary>TunnelDevice; -1 stands for any.</summary>
public readonly record struct TunnelDevice(int Local, int Remote)
{
    public override string ToString() => $"{Text(Local)}:{Text(Remote)}";

    private static string Text(int unit) => unit < 0 ? "any" : unit.ToString(CultureInfo.InvariantCulture);
}

/// <summary>IPQoS: IP type of service bytes; -1 leaves the system's.</summary>
public readonly record struct IpQos(int Interactive, int Bulk)
{
    private static readonly (string Name, int Value)[] Names =
    [
        ("af11", 0x28), ("af12", 0x30), ("af13", 0x38), ("af21", 0x48), ("af22", 0x50), ("af23", 0x58), ("af31", 0x68), ("af32", 0x70), ("af33", 0x78),
        ("af41", 0x88), ("af42", 0x90), ("af43", 0x98), ("cs0", 0x00), ("cs1", 0x20), ("cs2", 0x40), ("cs3", 0x60), ("cs4", 0x80), ("cs5", 0xa0), ("cs6", 0xc0),
        ("cs7", 0xe0), ("ef", 0xb8), ("le", 0x04), ("lowdelay", 0x10), ("throughput", 0x08), ("reliability", 0x04), ("none", -1),
    ];

    public override string ToString() => $"{Text(Interactive)} {Text(Bulk)}";

    /// <summary>A name of DSCP or of old type of service, or a number from 0 to 255 (0x for hexadecimal, 0 for octal).</summary>
    internal static bool TryParse(string text, out int value)
    {
        foreach (var (name, number) in Names)
        {
            if (name.Equals(text, StringComparison.OrdinalIgnoreCase))
            {
                value = number;
                return true;
            }
        }
        if (text.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
            return int.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value) && value is >= 0 and <= 255;
        if (text.Length < 2 || text[0] != '0')
            return Numbers.TryParse(text, 0, 255, out value);
        // As strtol(3) has it, a leading zero makes it octal.
        value = 0;
        if (text.Length > 8 || text.AsSpan().ContainsAnyExceptInRange('0', '7'))
            return false;
        value = Convert.ToInt32(text, 8);
        return value <= 255;
    }

    private static string Text(int value)
    {
        foreach (var (name, number) in Names)
        {
            if (number == value)
                return name;
        }
        return $"0x{value:x2}";
    }
}

/// <summary>One rule of CanonicalizePermittedCNAMEs: names matching the source may be aliases of names matching the target.</summary>
public readonly record struct CnameRule(string Source, string Target)
{
    public override string ToString() => $"{Source}:{Target}";
}

/// <summary>PermitRemoteOpen: where a reverse SOCKS proxy may connect to.</summary>
/// <param name="List">The destinations; null for any, empty for none.</param>
public sealed record PermitRemoteOpen(IReadOnlyList<PermitEntry>? List)
{
    public static PermitRemoteOpen Any { get; } = new((IReadOnlyList<PermitEntry>?)null);

    /// <summary>True when the destination may be connected to. Hosts are compared exactly, as OpenSSH does.</summary>
    public bool Allows(string host, int port) =>
        List is null || List.Any(entry => (entry.Host == "*" || entry.Host == host) && (entry.Port is null || entry.Port == port));

    public override string ToString() => List switch
    {
        null => "any",
        [] => "none",
        _ => string.Join(' ', List.Select(entry => $"{(entry.Host.Contains(':') ? $"[{entry.Host}]" : entry.Host)}:{entry.Port?.ToString(CultureInfo.InvariantCulture) ?? "*"}")),
    };
}
