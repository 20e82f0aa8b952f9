using System.Globalization;
using System.Text;
using Adit.Ssh.Forwarding;

namespace Adit.Ssh.OpenSsh;

/// <summary>Writes resolved values the way <c>ssh -G</c> does: one "keyword value" per line, keywords in lower case. Read as a configuration file, it gives the same values again.</summary>
public static class SshConfigDump
{
    public static string Write(SshConfigValues values)
    {
        ArgumentNullException.ThrowIfNull(values);
        var text = new StringBuilder();
        Line(text, $"host {values.OriginalHost}");
        foreach (var row in SshConfigKeywords.All)
        {
            // What OpenSSH 9.2 does not know it could not read back.
            if (row.IsNew && !values.IsSet(row))
                continue;
            foreach (string line in Print(row, values))
                Line(text, line);
        }
        return text.ToString();
    }

    /// <summary>"port [host]:hostport" and its other forms, as LocalForward and RemoteForward take them.</summary>
    internal static string Forward(ForwardSpecification forward)
    {
        string listen = forward.Listen.IsUnix ? forward.Listen.Path! : forward.Listen.Host is { } host ? Address(host, forward.Listen.Port) : Number(forward.Listen.Port);
        return forward.Destination is not { } destination ? listen : $"{listen} {Destination(destination)}";
    }

    private static string Destination(ForwardAddress address) => address.IsUnix ? address.Path! : Address(address.Host ?? "", address.Port);

    private static string Address(string host, int port) => $"[{host}]:{Number(port)}";

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>Most rows print their value; these print what ssh made of it.</summary>
    private static IEnumerable<string> Print(SshConfigKeyword row, SshConfigValues values)
    {
        if (row == SshConfigKeywords.User)
            return [$"user {values.User}"];
        if (row == SshConfigKeywords.HostName)
            return [$"hostname {values.Host}"];
        if (row == SshConfigKeywords.ControlPath)
            return values.ControlPath is { } path ? [$"controlpath {path}"] : [];
        if (row == SshConfigKeywords.UserKnownHostsFile)
            return [$"userknownhostsfile {(values.UserKnownHostsFiles is { Count: > 0 } files ? string.Join(' ', files) : "none")}"];
        if (row == SshConfigKeywords.IdentityFile && !values.IsSet(row))
            return SshConfigValues.DefaultIdentityFiles.Select(file => $"identityfile {file}");
        if (row == SshConfigKeywords.IdentityAgent && values.IsSet(row))
            return [$"identityagent {IdentityAgent(values)}"];
        if (row == SshConfigKeywords.ForwardAgent && values.ForwardAgentSocket is { } socket)
            return [$"forwardagent {socket}"];
        if (row == SshConfigKeywords.RemoteCommand)
            return values.RemoteCommandLine is { } command ? [$"remotecommand {command}"] : [];
        if (row == SshConfigKeywords.UpdateHostKeys)
            return [$"updatehostkeys {values.UpdateHostKeys switch { YesNoAsk.Yes => "true", YesNoAsk.No => "false", _ => "ask" }}"];
        if (row == SshConfigKeywords.LocalForward)
            return values.LocalForwards.Select(forward => $"localforward {Forward(forward)}");
        if (row == SshConfigKeywords.RemoteForward)
            return values.RemoteForwards.Select(forward => $"remoteforward {Forward(forward)}");
        if (row == SshConfigKeywords.DynamicForward)
            return values.DynamicForwards.Select(forward => $"dynamicforward {Forward(forward)}");
        return row.Print(values);
    }

    private static string IdentityAgent(SshConfigValues values)
    {
        string agent = values.Get(SshConfigKeywords.IdentityAgent)!;
        return agent.Equals("none", StringComparison.OrdinalIgnoreCase) || agent == "SSH_AUTH_SOCK" || (agent.StartsWith('$') && !agent.StartsWith("${", StringComparison.Ordinal))
            ? agent
            : values.IdentityAgentSocket ?? "none";
    }

    private static void Line(StringBuilder text, string line) => text.Append(line).Append('\n');
}
