using System.Buffers;
using Adit.Ssh.Transport;
using static Adit.Ssh.OpenSsh.SshConfigParsers;

namespace Adit.Ssh.OpenSsh;

/// <summary>Reads the arguments of the directives that have a syntax of their own.</summary>
internal static class SshConfigSpecialParsers
{
    private static readonly SearchValues<char> NameCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

    public static RekeyLimit? Rekey(SshConfigArguments arguments)
    {
        if (Text(arguments) is not { } size)
            return null;
        long bytes = 0;
        if (!size.Equals("default", StringComparison.Ordinal))
        {
            if (!SizeFormat.TryParseSigned(size, out bytes, out string reason))
            {
                arguments.Fail($"Bad number '{Shown(size)}': {reason}");
                return null;
            }
            if (bytes is not 0 and < 16)
            {
                arguments.Fail("RekeyLimit too small");
                return null;
            }
        }
        var time = arguments.Remaining == 0 ? null : Time(arguments);
        return new RekeyLimit(bytes == 0 ? null : bytes, time == TimeSpan.Zero ? null : time);
    }

    public static Func<SshConfigArguments, IReadOnlyList<ForwardSpecification>?> Forward(ForwardKind kind) => arguments =>
    {
        if (Text(arguments) is not { } listen)
            return null;
        bool hasDestination = false;
        if (kind != ForwardKind.Dynamic)
        {
            if (arguments.Next() is { Length: > 0 } destination)
            {
                hasDestination = true;
                listen = $"{listen}:{destination}";
            }
            else if (kind == ForwardKind.Local)
            {
                arguments.Fail("Missing target argument.");
                return null;
            }
        }
        try
        {
            listen = TokenExpander.ExpandEnvironment(listen, arguments.Context.GetVariable);
        }
        catch (SshException e)
        {
            arguments.ReportPlain(e.Message.Split('\n')[0]);
            arguments.Fail("Bad forwarding specification.");
            return null;
        }
        if (ForwardSpecification.TryParse(listen, kind, out var specification) && (specification.Destination is not null || !hasDestination))
            return [specification];
        arguments.Fail("Bad forwarding specification.");
        return null;
    };

    public static PermitRemoteOpen? RemoteOpen(SshConfigArguments arguments)
    {
        var entries = new List<PermitEntry>();
        bool isAlone = arguments.Remaining == 1;
        while (arguments.Next() is { } word)
        {
            if (word.ToLowerInvariant() is ("any" or "none") and var single)
            {
                if (isAlone)
                    return single == "any" ? PermitRemoteOpen.Any : new PermitRemoteOpen([]);
                arguments.Fail($"keyword {arguments.Keyword} \"{single}\" argument must appear alone.");
                return null;
            }
            if (word.AsSpan().IndexOfAny(':', '/') is >= 0 and var end && word[end] == '/')
                throw arguments.Fatal($"missing host in {arguments.Keyword}");
            if (word.Length == 0)
                throw arguments.Fatal($"bad port number in {arguments.Keyword}");
            int colon = word.LastIndexOf(':');
            string host = colon < 0 ? word : word[..colon];
            if (host.StartsWith('[') && host.EndsWith(']'))
                host = host[1..^1];
            if (host.Length is 0 or >= 1025)
                throw arguments.Fatal($"missing argument in {arguments.Keyword}");
            int port = 0;
            if (colon < 0 || (word.AsSpan(colon + 1) is not "*" && (!PortFormat.TryParse(word.AsSpan(colon + 1), out port) || port == 0)))
                throw arguments.Fatal($"bad port number in {arguments.Keyword}");
            entries.Add(new PermitEntry(host, port == 0 ? null : port));
        }
        return new PermitRemoteOpen(entries);
    }

    public static IReadOnlyList<JumpHost>? Jump(SshConfigArguments arguments)
    {
        string text = arguments.Rest.TrimStart(' ', '\t', '=').Split('#', ' ', '\t')[0];
        arguments.SkipRest();
        if (text.Equals("none", StringComparison.OrdinalIgnoreCase))
            return [];
        var hosts = new List<JumpHost>();
        foreach (string part in text.Split(','))
        {
            if (!JumpHost.TryParse(part, out var host))
            {
                arguments.Fail($"Invalid ProxyJump \"{Shown(arguments.Rest.TrimStart(' ', '\t', '='))}\"");
                return null;
            }
            hosts.Add(host);
        }
        return hosts;
    }

    public static AddKeysToAgent AddKeys(SshConfigArguments arguments)
    {
        string? word = arguments.Next(), second = arguments.Next();
        AddKeysMode? mode = word?.ToLowerInvariant() switch
        {
            "yes" or "true" => AddKeysMode.Yes,
            "no" or "false" => AddKeysMode.No,
            "ask" => AddKeysMode.Ask,
            "confirm" => AddKeysMode.Confirm,
            _ => null,
        };
        TimeSpan time;
        if (string.IsNullOrEmpty(word))
            arguments.Report("missing argument.");
        if (mode is { } known && second is null)
            return new AddKeysToAgent(known);
        if (mode == AddKeysMode.Confirm)
        {
            if (TimeFormat.TryParse(second, out time))
                return new AddKeysToAgent(AddKeysMode.Confirm, time);
            arguments.Fail("invalid time value.");
            return default;
        }
        if (mode is null && second is null && TimeFormat.TryParse(word, out time))
            return new AddKeysToAgent(AddKeysMode.Yes, time == TimeSpan.Zero ? null : time);
        arguments.Fail("unsupported option");
        return default;
    }

    public static AgentForwarding ForwardAgent(SshConfigArguments arguments)
    {
        string? word = arguments.Next();
        if (string.IsNullOrEmpty(word))
        {
            arguments.Fail("missing argument.");
            return default;
        }
        foreach (var (name, value) in FlagWords)
        {
            if (name.Equals(word, StringComparison.OrdinalIgnoreCase))
                return new AgentForwarding(value);
        }
        return new AgentForwarding(true, AgentPath(word, arguments));
    }

    /// <summary>IdentityAgent.</summary>
    public static string? AgentSocket(SshConfigArguments arguments) => Text(arguments) is { } word ? AgentPath(word, arguments) : null;

    /// <summary>The path of an agent's socket, which may hold ${VARIABLES} or be "$VARIABLE" alone.</summary>
    private static string? AgentPath(string? word, SshConfigArguments arguments)
    {
        if (word is null)
            return null;
        try
        {
            TokenExpander.ExpandEnvironment(word, arguments.Context.GetVariable);
        }
        catch (SshException e)
        {
            arguments.ReportPlain(e.Message.Split('\n')[0]);
            return arguments.Fail($"Invalid environment expansion {Shown(word)}.");
        }
        bool isName = word.Length > 1 && word.AsSpan(1).IndexOfAnyExcept(NameCharacters) < 0;
        return word[0] == '$' && !word.StartsWith("${", StringComparison.Ordinal) && !isName
            ? arguments.Fail($"Invalid environment name {Shown(word)}.")
            : word;
    }

    public static ControlPersist Persist(SshConfigArguments arguments)
    {
        string? word = arguments.Next();
        if (string.IsNullOrEmpty(word))
        {
            arguments.Fail("Missing ControlPersist argument.");
            return default;
        }
        switch (word.ToLowerInvariant())
        {
            case "no" or "false":
                return new ControlPersist(false);
            case "yes" or "true":
                return new ControlPersist(true);
        }
        if (TimeFormat.TryParse(word, out var time))
            return new ControlPersist(true, time == TimeSpan.Zero ? null : time);
        arguments.Fail("Bad ControlPersist argument.");
        return default;
    }

    /// <summary>One character, "^X" for a control character, or none (-1).</summary>
    public static int EscapeCharacter(SshConfigArguments arguments)
    {
        switch (Text(arguments))
        {
            case null:
                return 0;
            case ['^', >= '@' and <= '\x7f' and var letter]:
                return letter & 31;
            case [var single] when char.IsAscii(single):
                return single;
            case "none":
                return -1;
            default:
                arguments.Fail("Bad escape character.");
                return 0;
        }
    }

    public static IpQos Qos(SshConfigArguments arguments)
    {
        string first = arguments.Next() ?? "";
        if (!IpQos.TryParse(first, out int interactive))
        {
            arguments.Fail($"Bad IPQoS value: {Shown(first)}");
            return default;
        }
        if (arguments.Next() is not { } second)
            return new IpQos(interactive, interactive);
        if (!IpQos.TryParse(second, out int bulk))
            arguments.Fail($"Bad IPQoS value: {Shown(second)}");
        return new IpQos(interactive, bulk);
    }

    /// <summary>An octal file mode from 0 to 0777.</summary>
    public static int Mask(SshConfigArguments arguments)
    {
        string? word = arguments.Next();
        if (string.IsNullOrEmpty(word))
            arguments.Fail("Missing StreamLocalBindMask argument.");
        else if (word.Length > 12 || word.AsSpan().ContainsAnyExceptInRange('0', '7') || Convert.ToInt64(word, 8) > 511)
            arguments.Fail("Bad mask.");
        else
            return Convert.ToInt32(word, 8);
        return 0;
    }

    public static TunnelDevice Device(SshConfigArguments arguments)
    {
        if (Text(arguments) is not { } word)
            return default;
        int colon = word.IndexOf(':');
        if (TryUnit(colon < 0 ? word : word[..colon], out int local) & TryUnit(colon < 0 ? "any" : word[(colon + 1)..], out int remote))
            return new TunnelDevice(local, remote);
        arguments.Fail("Bad tun device.");
        return default;

        static bool TryUnit(string text, out int unit)
        {
            unit = -1;
            return text.Equals("any", StringComparison.OrdinalIgnoreCase) || Numbers.TryParse(text, 0, 0x7ffffffd, out unit);
        }
    }
}
