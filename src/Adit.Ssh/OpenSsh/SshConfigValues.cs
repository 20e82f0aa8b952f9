using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Transport;

namespace Adit.Ssh.OpenSsh;

/// <summary>The values that hold for one destination, all files and the command line joined. Values are as written; the properties that end a name such as
/// <see cref="IdentityFiles"/> have "~", %-tokens and ${VARIABLES} expanded as ssh(1) expands them, and throw <see cref="SshException"/>
/// (<see cref="SshError.Configuration"/>) where that fails.</summary>
public sealed class SshConfigValues
{
    private const string UsualTokens = "CLdhijklnpru";

    private readonly Dictionary<SshConfigKeyword, object?> _values = [];
    private readonly HashSet<SshConfigKeyword> _fromCommandLine = [];
    private readonly SshConfigContext _context;

    internal SshConfigValues(string originalHost, SshConfigContext context)
    {
        OriginalHost = originalHost;
        Host = originalHost;
        _context = context;
    }

    /// <summary>The host as it was given (%n).</summary>
    public string OriginalHost { get; }

    /// <summary>The host to connect to (%h): lower case, after HostName and canonicalisation.</summary>
    public string Host { get; internal set; }

    public int Port => Get(SshConfigKeywords.Port);

    /// <summary>The user to log in as (%r). One from a file may hold tokens; one from the command line is taken as it is.</summary>
    public string User
    {
        get
        {
            if (Get(SshConfigKeywords.User) is not { } user)
                return _context.LocalUser;
            return _fromCommandLine.Contains(SshConfigKeywords.User) ? user : MakeTokens(null).Only("dhiklLnpu").ExpandWithEnvironment(user);
        }
    }

    /// <summary>The value of a keyword, or its default.</summary>
    public T Get<T>(SshConfigKeyword<T> keyword) => _values.TryGetValue(keyword, out object? value) ? (T)value! : keyword.Default;

    /// <summary>True when a directive set the keyword.</summary>
    public bool IsSet(SshConfigKeyword keyword) => _values.ContainsKey(keyword);

    /// <summary>Gives a keyword that no directive set a default other than the usual one, as some flags do.</summary>
    public void SetDefault<T>(SshConfigKeyword<T> keyword, T value) => _values.TryAdd(keyword, value);

    /// <summary>All tokens: expands what a program has of its own, as LocalCommand would be.</summary>
    public TokenExpander Tokens => MakeTokens(User);

    /// <summary>IdentityFile, or ssh's usual files where none is set. Empty for "none".</summary>
    public IReadOnlyList<string> IdentityFiles
    {
        get
        {
            var names = Get(SshConfigKeywords.IdentityFile);
            if (names.Count == 0)
                names = DefaultIdentityFiles;
            return [.. names.Where(name => !IsNone(name)).Select(ExpandFile)];
        }
    }

    /// <summary>The files ssh looks for where no IdentityFile is set; most of them are missing, which is no error.</summary>
    internal static IReadOnlyList<string> DefaultIdentityFiles { get; } = ["~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ecdsa_sk", "~/.ssh/id_ed25519", "~/.ssh/id_ed25519_sk"];

    /// <summary>CertificateFile.</summary>
    public IReadOnlyList<string> CertificateFiles => [.. Get(SshConfigKeywords.CertificateFile).Where(name => !IsNone(name)).Select(ExpandFile)];

    /// <summary>UserKnownHostsFile; empty for "none".</summary>
    public IReadOnlyList<string> UserKnownHostsFiles => ExpandFiles(Get(SshConfigKeywords.UserKnownHostsFile));

    /// <summary>GlobalKnownHostsFile, which takes no tokens; empty for "none".</summary>
    public IReadOnlyList<string> GlobalKnownHostsFiles => [.. Get(SshConfigKeywords.GlobalKnownHostsFile).Where(name => !IsNone(name)).Select(ExpandTilde)];

    /// <summary>RevokedHostKeys.</summary>
    public IReadOnlyList<string> RevokedHostKeysFiles => ExpandFiles(Get(SshConfigKeywords.RevokedHostKeys));

    /// <summary>ControlPath; null for none.</summary>
    public string? ControlPath => Get(SshConfigKeywords.ControlPath) is { } path && !IsNone(path) ? ExpandFile(path) : null;

    /// <summary>The agent's socket: null where none is to be used. Without IdentityAgent that is SSH_AUTH_SOCK's.</summary>
    public string? IdentityAgentSocket
    {
        get
        {
            string name = Get(SshConfigKeywords.IdentityAgent) ?? "SSH_AUTH_SOCK";
            if (IsNone(name))
                return null;
            string? path = name == "SSH_AUTH_SOCK" ? _context.GetVariable(name) : ExpandSocket(name);
            return string.IsNullOrEmpty(path) ? null : path;
        }
    }

    /// <summary>ForwardAgent: the socket of the agent to forward; null where none is to be. With "yes" that is <see cref="IdentityAgentSocket"/>.</summary>
    public string? ForwardAgentSocket
    {
        get
        {
            var forward = Get(SshConfigKeywords.ForwardAgent);
            string? path = !forward.Enabled ? null : forward.Socket is { } name ? ExpandSocket(name) : IdentityAgentSocket;
            return string.IsNullOrEmpty(path) ? null : path;
        }
    }

    /// <summary>The socket that ForwardAgent names: a path, or "$VARIABLE" that holds it; null where it names none.</summary>
    public string? NamedAgentSocket => Get(SshConfigKeywords.ForwardAgent).Socket is not { } name ? null
        : name.StartsWith('$') && !name.StartsWith("${", StringComparison.Ordinal) ? name : ExpandFile(name);

    /// <summary>ProxyCommand; null for none. It is meant for the user's shell, as it is.</summary>
    public string? ProxyCommandLine => Get(SshConfigKeywords.ProxyCommand) is { Length: > 0 } command && !IsNone(command) ? Tokens.Only("hnpr").Expand(command) : null;

    /// <summary>RemoteCommand; null for none.</summary>
    public string? RemoteCommandLine => ExpandCommand(SshConfigKeywords.RemoteCommand);

    /// <summary>LocalCommand; null for none.</summary>
    public string? LocalCommandLine => LocalCommandLineFor("NONE");

    /// <summary>LocalCommand with the name of the tunnel's interface for %T. As <see cref="LocalCommandLine"/>, whose %T is NONE.</summary>
    public string? LocalCommandLineFor(string interfaceName) =>
        Get(SshConfigKeywords.LocalCommand) is { Length: > 0 } command && !IsNone(command) ? Tokens.Only(UsualTokens).With('T', interfaceName).Expand(command) : null;

    /// <summary>Tunnel; no with ClearAllForwardings.</summary>
    public TunnelMode Tunnel => Get(SshConfigKeywords.ClearAllForwardings) ? TunnelMode.No : Get(SshConfigKeywords.Tunnel);

    /// <summary>LocalForward; empty with ClearAllForwardings.</summary>
    public IReadOnlyList<ForwardSpecification> LocalForwards => Forwards(SshConfigKeywords.LocalForward);

    /// <summary>RemoteForward; empty with ClearAllForwardings.</summary>
    public IReadOnlyList<ForwardSpecification> RemoteForwards => Forwards(SshConfigKeywords.RemoteForward);

    /// <summary>DynamicForward; empty with ClearAllForwardings.</summary>
    public IReadOnlyList<ForwardSpecification> DynamicForwards => Forwards(SshConfigKeywords.DynamicForward);

    /// <summary>HostKeyAlias, or the host's name: what known_hosts is asked for.</summary>
    public string HostKeyName => Get(SshConfigKeywords.HostKeyAlias) ?? Host;

    /// <summary>UpdateHostKeys: by default yes unless known hosts are kept elsewhere or checked in the DNS. Nobody is asked where there is to be no terminal.</summary>
    public YesNoAsk UpdateHostKeys => IsSet(SshConfigKeywords.UpdateHostKeys)
        ? Get(SshConfigKeywords.UpdateHostKeys) is var wanted && wanted == YesNoAsk.Ask && Get(SshConfigKeywords.RequestTty) == RequestTty.No ? YesNoAsk.No : wanted
        : IsSet(SshConfigKeywords.UserKnownHostsFile) && Get(SshConfigKeywords.UserKnownHostsFile) is not ["~/.ssh/known_hosts"] ? YesNoAsk.No
        : Get(SshConfigKeywords.VerifyHostKeyDns) != YesNoAsk.No ? YesNoAsk.No : YesNoAsk.Yes;

    /// <summary>ChannelTimeout; empty for "none".</summary>
    public IReadOnlyList<ChannelTimeout> ChannelTimeouts => [.. Get(SshConfigKeywords.ChannelTimeout).Where(word => !IsNone(word)).Select(word =>
    {
        int equals = word.IndexOf('=');
        return new ChannelTimeout(word[..equals], TimeFormat.TryParse(word.AsSpan(equals + 1), out var time) ? time : TimeSpan.Zero);
    })];

    /// <summary>A session is wanted that a person types in: with a terminal, for a shell or where one is asked for by name.</summary>
    public bool IsInteractive => Get(SshConfigKeywords.SessionType) == SessionType.Default && Get(SshConfigKeywords.RequestTty) switch
    {
        RequestTty.No => false,
        RequestTty.Auto => _context.Command.Length == 0 && Get(SshConfigKeywords.RemoteCommand) is null or "none",
        _ => true,
    };

    /// <summary>SetEnv as a program would export it.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Variables => Get(SshConfigKeywords.SetEnv);

    internal SshConfigContext Context => _context;

    internal void Set(SshConfigKeyword keyword, object? value) => _values[keyword] = value;

    internal void MarkFromCommandLine() => _fromCommandLine.UnionWith(_values.Keys);

    /// <summary>The tokens of Match exec and Include, while values are still being read. HostKeyAlias stands as it is.</summary>
    internal TokenExpander TokensFor(string host) => MakeTokens(Get(SshConfigKeywords.User) ?? _context.LocalUser, host);

    private TokenExpander MakeTokens(string? remoteUser, string? host = null)
    {
        host ??= Host;
        string local = _context.LocalHostName, port = Port.ToString(CultureInfo.InvariantCulture);
        var hops = Get(SshConfigKeywords.ProxyJump);
        string jump = hops.Count == 0 ? "" : hops[^1].Host;
        var tokens = new Dictionary<char, string>
        {
            ['L'] = local.Split('.')[0],
            ['l'] = local,
            ['d'] = _context.HomeDirectory,
            ['h'] = host,
            ['i'] = _context.UserId.ToString(CultureInfo.InvariantCulture),
            ['j'] = jump,
            ['k'] = Get(SshConfigKeywords.HostKeyAlias) ?? OriginalHost,
            ['n'] = OriginalHost,
            ['p'] = port,
            ['u'] = _context.LocalUser,
        };
        Lazy<string>? hash = null;
        if (remoteUser is not null)
        {
            tokens['r'] = remoteUser;
            hash = new(() => Convert.ToHexStringLower(SHA1.HashData(Encoding.UTF8.GetBytes(local + host + port + remoteUser + jump))), LazyThreadSafetyMode.PublicationOnly);
        }
        return new TokenExpander(tokens, _context.GetVariable, hash);
    }

    private string? ExpandCommand(SshConfigKeyword<string?> keyword) =>
        Get(keyword) is { Length: > 0 } command && !IsNone(command) ? Tokens.Only(UsualTokens).Expand(command) : null;

    private IReadOnlyList<string> ExpandFiles(IReadOnlyList<string> names) => [.. names.Where(name => !IsNone(name)).Select(ExpandFile)];

    private string ExpandFile(string name) => Tokens.Only(UsualTokens).ExpandWithEnvironment(ExpandTilde(name));

    /// <summary>A path, or "$VARIABLE" that holds one.</summary>
    private string? ExpandSocket(string name) =>
        name.StartsWith('$') && !name.StartsWith("${", StringComparison.Ordinal) ? _context.GetVariable(name[1..]) : ExpandFile(name);

    private string ExpandTilde(string name) => TokenExpander.ExpandTilde(name, user => user.Length == 0 ? _context.HomeDirectory : LocalUser.HomeOf(user));

    private IReadOnlyList<ForwardSpecification> Forwards(SshConfigKeyword<IReadOnlyList<ForwardSpecification>> keyword)
    {
        if (Get(SshConfigKeywords.ClearAllForwardings))
            return [];
        return [.. Get(keyword).Select(forward => forward with
        {
            Listen = ExpandPath(forward.Listen),
            Destination = forward.Destination is { } destination ? ExpandPath(destination) : (ForwardAddress?)null,
        })];
    }

    private ForwardAddress ExpandPath(ForwardAddress address) =>
        address.IsUnix ? ForwardAddress.Unix(Tokens.Only(UsualTokens).Expand(address.Path!)) : address;

    private static bool IsNone(string text) => text.Equals("none", StringComparison.OrdinalIgnoreCase);
}
