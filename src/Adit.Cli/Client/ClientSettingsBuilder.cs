using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Cli.Terminal;
using Adit.Ssh;
using Adit.Ssh.Authentication;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Transport;

namespace Adit.Cli.Client;

/// <summary>Joins the command line with the configuration files and turns their values into what the library takes.</summary>
internal sealed class ClientSettingsBuilder
{
    private static readonly string[] DefaultIdentities = ["~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519"];
    private static readonly string[] DefaultMethods = ["publickey", "keyboard-interactive", "password"];

    /// <summary>Keywords that ask for what this version cannot do and that may be left out without harm; each is told once.</summary>
    private static readonly string[] LeftOut = ["RemoteForward", "DynamicForward"];

    private readonly SshArguments _arguments;
    private readonly ClientConfig _config;
    private readonly LogOutput _log;
    private readonly bool _batch;
    private readonly UserQuestions _questions;
    private readonly TokenExpander _tokens;
    private readonly string _hostName;
    private readonly string _user;
    private readonly int _port;
    private readonly List<object> _owned = [];

    private ClientSettingsBuilder(SshArguments arguments, ClientConfig config, LogOutput log, IPrompter prompter)
    {
        (_arguments, _config, _log) = (arguments, config, log);
        _batch = config.IsYes("BatchMode", false);
        _questions = new UserQuestions(_batch ? new NoPrompter() : prompter, log);
        _hostName = config["HostName"] is { } pattern ? new TokenExpander([new('h', arguments.Host)]).Expand(pattern) : arguments.Host;
        _user = arguments.User ?? config["User"] ?? Environment.UserName;
        _port = arguments.Port ?? Port(config["Port"]);
        _tokens = Tokens();
    }

    /// <summary>Throws <see cref="SshException"/> for values that make no sense or that this version may not leave out.</summary>
    public static Task<ClientSettings> BuildAsync(SshArguments arguments, ClientConfig config, LogOutput log, IPrompter prompter, CancellationToken cancellationToken) =>
        new ClientSettingsBuilder(arguments, config, log, prompter).BuildAsync(cancellationToken);

    private async Task<ClientSettings> BuildAsync(CancellationToken cancellationToken)
    {
        RefuseWhatIsMissing();
        var family = AddressFamilyValue();
        var options = new SshClientOptions
        {
            Host = _hostName,
            Port = _port,
            UserName = _user,
            HostKeyAlias = _config["HostKeyAlias"],
            HostKeyVerifier = HostKeyVerifier(),
            Algorithms = AlgorithmSettings.Build(_config, _log),
            ConnectTimeout = _config.Time("ConnectTimeout"),
            ConnectionAttempts = Math.Max(1, _config.Number("ConnectionAttempts", 1)),
            AddressFamily = family,
            BindAddress = await BindAddressAsync(family, cancellationToken).ConfigureAwait(false),
            TcpKeepAlive = _config.IsYes("TCPKeepAlive", true),
            KeepAliveInterval = _config.Time("ServerAliveInterval") ?? TimeSpan.Zero,
            KeepAliveCountMax = _config.Number("ServerAliveCountMax", 3),
            RekeyLimit = RekeyLimitValue(),
            ConnectCallback = Proxy(),
            Banner = _log.Shows(OpenSshLogLevel.Info) ? StandardStreams.WriteError : null,
            LoggerFactory = new OpenSshLoggerProvider(_log),
            PreferredAuthentications = Methods(),
        };
        foreach (var credential in await CredentialsAsync(options.PreferredAuthentications, cancellationToken).ConfigureAwait(false))
        {
            options.Credentials.Add(credential);
        }

        return new ClientSettings
        {
            Options = options,
            Host = _arguments.Host,
            LocalForwards = LocalForwards(),
            Listen = new ListenOptions
            {
                AddressFamily = family,
                GatewayPorts = _config.IsYes("GatewayPorts", false),
                UnlinkFirst = _config.IsYes("StreamLocalBindUnlink", false),
            },
            ExitOnForwardFailure = _config.IsYes("ExitOnForwardFailure", false),
            Owned = _owned,
        };
    }

    /// <summary>A keyword that cannot be obeyed is refused where leaving it out would connect another way or protect less, and told otherwise.</summary>
    private void RefuseWhatIsMissing()
    {
        foreach (var (keyword, harmless) in new[] { ("ProxyJump", "none"), ("RevokedHostKeys", "none"), ("ForkAfterAuthentication", "no") })
        {
            if (_config[keyword] is { } value && !value.Equals(harmless, StringComparison.OrdinalIgnoreCase))
            {
                throw new SshException(SshError.Configuration, $"adit: {keyword} is not built yet in this version.")
                {
                    Hint = $"It is set to \"{value}\"; -o {keyword}={harmless} goes on without it.",
                };
            }
        }

        foreach (var keyword in LeftOut.Where(keyword => _config.All(keyword).Count > 0 && !_config.IsYes("ClearAllForwardings", false)))
        {
            _log.Write(OpenSshLogLevel.Info, $"adit: {keyword} is not built yet in this version and is left out.");
        }
    }

    private AddressFamily AddressFamilyValue() => _config["AddressFamily"]?.ToLowerInvariant() switch
    {
        null or "any" => AddressFamily.Unspecified,
        "inet" => AddressFamily.InterNetwork,
        "inet6" => AddressFamily.InterNetworkV6,
        var value => throw ClientConfig.Bad("AddressFamily", value, "any, inet or inet6"),
    };

    private async Task<IPAddress?> BindAddressAsync(AddressFamily family, CancellationToken cancellationToken)
    {
        if (_config["BindAddress"] is not { } name)
        {
            return null;
        }

        try
        {
            return IPAddress.TryParse(name, out var address)
                ? address
                : (await Dns.GetHostAddressesAsync(name, family, cancellationToken).ConfigureAwait(false)).FirstOrDefault();
        }
        catch (SocketException e)
        {
            throw new SshException(SshError.NameResolution, $"getaddrinfo: {name}: Name or service not known", e) { Hint = "-b and BindAddress take an address of this machine." };
        }
    }

    private RekeyLimit RekeyLimitValue()
    {
        if (_config.List("RekeyLimit") is not { } words)
        {
            return RekeyLimit.Default;
        }

        long? bytes = words[0] switch
        {
            "default" or "none" => null,
            var size when SizeFormat.TryParse(size, out var count) && (count >= 16 || count == 0) => count == 0 ? null : count,
            var size => throw ClientConfig.Bad("RekeyLimit", size, "a size of 16 or more (1G, 500M), or \"default\", then perhaps a time"),
        };
        TimeSpan? interval = words.Count < 2 || words[1] is "none" or "0"
            ? null
            : TimeFormat.TryParse(words[1], out var time) ? time : throw ClientConfig.Bad("RekeyLimit", words[1], "a size, then perhaps a time such as 1h");
        return new RekeyLimit(bytes, interval);
    }

    private HostKeyRules HostKeyVerifier()
    {
        var options = new KnownHostsOptions
        {
            Policy = _config["StrictHostKeyChecking"]?.ToLowerInvariant() switch
            {
                null or "ask" => HostKeyPolicy.Ask,
                "yes" or "true" => HostKeyPolicy.Yes,
                "accept-new" => HostKeyPolicy.AcceptNew,
                "no" or "off" or "false" => HostKeyPolicy.No,
                var value => throw ClientConfig.Bad("StrictHostKeyChecking", value, "yes, no, ask or accept-new"),
            },
            UserFiles = Files("UserKnownHostsFile"),
            GlobalFiles = Files("GlobalKnownHostsFile"),
            HashKnownHosts = _config.IsYes("HashKnownHosts", false),
            HostKeyAlias = _config["HostKeyAlias"],
            CheckHostIP = _config.IsYes("CheckHostIP", false),
            NoHostAuthenticationForLocalhost = _config.IsYes("NoHostAuthenticationForLocalhost", false),
            CASignatureAlgorithms = AlgorithmSettings.CertificateAuthority(_config, _log),
            Confirm = _batch ? null : _questions.ConfirmAsync,
            Logger = new OpenSshLoggerProvider(_log).CreateLogger(nameof(KnownHosts)),
        };
        var fixedOrder = _config["HostKeyAlgorithms"] is { } list && list[0] is not ('+' or '-');
        return new HostKeyRules(KnownHosts.OpenSsh(options), fixedOrder, _config.Number("RequiredRSASize", 1024));
    }

    private Func<SshClientOptions, CancellationToken, ValueTask<Stream>>? Proxy() =>
        _config["ProxyCommand"] is { } command && command != "none"
            ? (options, _) => ValueTask.FromResult<Stream>(ProxyCommandStream.Start(command, options.Host, _arguments.Host, options.Port, options.UserName))
            : null;

    /// <summary>PreferredAuthentications, without what is turned off.</summary>
    private string[] Methods()
    {
        IReadOnlyList<string> wanted = _config["PreferredAuthentications"]?.Split(',', StringSplitOptions.RemoveEmptyEntries) ?? DefaultMethods;
        return [.. wanted.Where(method => method switch
        {
            "publickey" => !"no".Equals(_config["PubkeyAuthentication"], StringComparison.OrdinalIgnoreCase),
            "keyboard-interactive" => (_config["KbdInteractiveAuthentication"] ?? _config["ChallengeResponseAuthentication"]) is not ("no" or "false"),
            "password" => _config.IsYes("PasswordAuthentication", true),
            _ => false,
        })];
    }

    private async Task<IReadOnlyList<Credential>> CredentialsAsync(IReadOnlyList<string> methods, CancellationToken cancellationToken)
    {
        var credentials = new List<Credential>();
        var attempts = _config.Number("NumberOfPasswordPrompts", 3);
        if (methods.Contains("publickey"))
        {
            var agent = AgentSocket() is { } socket ? new SshAgent(socket) : null;
            var order = new KeyOrder(
                IdentityFiles(),
                [.. _config.All("CertificateFile").Select(words => Expand(words[0]))],
                agent,
                _config.IsYes("IdentitiesOnly", false),
                _batch ? null : _questions.AskSecretAsync,
                _log);
            _owned.Add(order);
            if (agent is not null)
            {
                _owned.Add(agent);
            }

            credentials.AddRange(await order.BuildAsync(cancellationToken).ConfigureAwait(false));
        }

        if (attempts > 0 && !_batch)
        {
            credentials.Add(Credential.KeyboardInteractive(_questions.AnswerAsync, attempts));
            credentials.Add(Credential.Password(_questions.AskSecretAsync, attempts));
        }

        return credentials;
    }

    /// <summary>IdentityFile adds up; without any the usual names, which need not exist.</summary>
    private List<IdentityFile> IdentityFiles()
    {
        var named = _config.All("IdentityFile").Select(words => words[0]).Distinct().ToArray();
        return named.Length == 0
            ? [.. DefaultIdentities.Select(path => new IdentityFile(Expand(path), IsDefault: true))]
            : [.. named.Where(path => path != "none").Select(path => new IdentityFile(Expand(path), IsDefault: false))];
    }

    /// <summary>IdentityAgent: a path, a variable's name, SSH_AUTH_SOCK, or none.</summary>
    private string? AgentSocket() => _config["IdentityAgent"] switch
    {
        null or "SSH_AUTH_SOCK" => SshAgent.DefaultSocketPath,
        "none" => null,
        ['$', not '{', ..] variable => Environment.GetEnvironmentVariable(variable[1..]) is { Length: > 0 } path ? path : null,
        var path => Expand(path),
    };

    private IReadOnlyList<ForwardSpecification> LocalForwards()
    {
        if (_config.IsYes("ClearAllForwardings", false))
        {
            return [];
        }

        var configured = _config.All("LocalForward").Select(words => ForwardSpecification.Parse(TokenExpander.ExpandEnvironment(string.Join(':', words)), ForwardKind.Local));
        return [.. _arguments.LocalForwards.Concat(configured).Distinct()];
    }

    /// <summary>Null where it is not set; empty for "none".</summary>
    private IReadOnlyList<string>? Files(string keyword) =>
        _config.List(keyword) is { } words ? words is ["none"] ? [] : [.. words.Select(Expand)] : null;

    private string Expand(string path) => _tokens.ExpandWithEnvironment(TokenExpander.ExpandTilde(path, HomeOf));

    private static string? HomeOf(string user) => user.Length == 0 || user == Environment.UserName
        ? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile)
        : null;

    private TokenExpander Tokens() => new(
    [
        new('d', HomeOf("")!),
        new('h', _hostName),
        new('n', _arguments.Host),
        new('p', _port.ToString(CultureInfo.InvariantCulture)),
        new('r', _user),
        new('u', Environment.UserName),
        new('L', Environment.MachineName.Split('.')[0]),
        new('l', Environment.MachineName),
        new('k', _config["HostKeyAlias"] ?? _arguments.Host),
        new('j', ""),
    ]);

    private static int Port(string? text) => text is null
        ? 22
        : PortFormat.TryParse(text, out var port) && port > 0 ? port : throw new SshException(SshError.Configuration, $"command-line line 0: Bad port '{text}'.");
}
