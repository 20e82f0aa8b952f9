using System.Globalization;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.CommandLine;

/// <summary>The values of ssh's flags: checked, and written as lines of configuration.</summary>
internal static class SshFlagValues
{
    /// <summary>A forward as LocalForward, RemoteForward and DynamicForward take it: what to listen on, then where to.</summary>
    public static string ConfigLine(ForwardSpecification forward)
    {
        string Address(ForwardAddress address) => address.IsUnix ? address.Path! : address.Host is null ? $"{address.Port}" : $"[{address.Host}]:{address.Port}";
        return forward.Destination is { } destination
            ? $"{forward.Kind}Forward {Quote(Address(forward.Listen))} {Quote(Address(destination))}"
            : $"{forward.Kind}Forward {Quote(Address(forward.Listen))}";
    }

    /// <summary>-e's value: a character, "^X", or none.</summary>
    public static bool IsEscapeCharacter(string value) =>
        value == "none" || value.Length == 1 || (value.Length == 2 && value[0] == '^' && value[1] is >= '@' and <= '\x7f');

    /// <summary>One argument of a configuration line, whatever is in it.</summary>
    public static string Quote(string value) => $"\"{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";

    /// <summary>A list of algorithms that has something in it that is there; anything else is an error in ssh's words.</summary>
    public static string Checked(AlgorithmKind kind, string what, string value) =>
        Algorithms.ApplySpec(kind, Algorithms.Defaults(kind), value).Succeeded
            ? value
            : throw new UsageException($"Unknown {what} type '{value}'") { Hint = $"\"adit -Q {what}\" lists the names." };

    /// <summary>-w's value: one unit or two, each a number or "any".</summary>
    public static bool IsTunnelDevice(string value) => value.Split(':') is { Length: <= 2 } units
        && units.All(unit => unit.Equals("any", StringComparison.OrdinalIgnoreCase)
            || (int.TryParse(unit, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number < int.MaxValue - 1));
}
