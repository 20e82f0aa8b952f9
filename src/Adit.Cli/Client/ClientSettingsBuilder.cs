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
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Client;

/// <summary>Turns the joined configuration of a destination into what the library takes.</summary>
internal sealed class ClientSettingsBuilder
{
    private static readonly string[] DefaultMethods = ["publickey", "keyboard-interactive", "password"];

    private readonly SshConfigValues _config;
    private readonly LogOutput _log;
    private readonly UserQuestions? _questions;
    private readonly List<object> _owned = [];

    private ClientSettingsBuilder(SshConfigValues config, LogOutput log, IPrompter prompter)
    {
        (_config, _log) = (config, log);
        _questions = config.Get(Keywords.BatchMode) ? null : new UserQuestions(prompter, log);
    }

    /// <summary>Throws <see cref="SshException"/> for values that this version may not leave out.</summary>
    public static Task<ClientSettings> BuildAsync(SshConfigValues config, LogOutput log, IPrompter prompter, CancellationToken cancellationToken) =>
        new ClientSettingsBuilder(config, log, prompter).BuildAsync(cancellationToken);

    private async Task<ClientSettings> BuildAsync(CancellationToken cancellationToken)
    {
        UnbuiltOptions.Check(_config, _log);
        var user = CheckedUser();
        var family = _config.Get(Keywords.AddressFamily) switch
        {
            SshConfigAddressFamily.Inet => AddressFamily.InterNetwork,
            SshConfigAddressFamily.Inet6 => AddressFamily.InterNetworkV6,
            _ => AddressFamily.Unspecified,
        };
        var knownHosts = HostKeySettings.KnownHostsOptions(_config, _log, _questions is null ? null : _questions.ConfirmAsync);
        var options = new SshClientOptions
        {
            Host = _config.Host,
            Port = _config.Port,
            UserName = user,
            HostKeyAlias = _config.Get(Keywords.HostKeyAlias),
            HostKeyVerifier = HostKeySettings.Verifier(_config, knownHosts),
            HostKeyUpdater = HostKeySettings.Updater(_config, knownHosts),
            Algorithms = AlgorithmSettings.Build(_config, _log),
            ConnectTimeout = _config.Get(Keywords.ConnectTimeout),
            ConnectionAttempts = Math.Max(1, _config.Get(Keywords.ConnectionAttempts)),
            AddressFamily = family,
            BindAddress = await BindAddressAsync(family, cancellationToken).ConfigureAwait(false),
            TcpKeepAlive = _config.Get(Keywords.TcpKeepAlive),
            KeepAliveInterval = _config.Get(Keywords.ServerAliveInterval) ?? TimeSpan.Zero,
            KeepAliveCountMax = _config.Get(Keywords.ServerAliveCountMax),
            RekeyLimit = _config.Get(Keywords.RekeyLimit),
            ConnectCallback = Proxy(user),
            ConfigureSocket = SocketSettings.Build(_config, _log),
            VersionAddendum = _config.Get(Keywords.VersionAddendum) is { } addendum && !addendum.Equals("none", StringComparison.OrdinalIgnoreCase) ? _config.Tokens.Expand(addendum) : null,
            HostBoundPublicKey = _config.Get(Keywords.PubkeyAuthentication) != PubkeyAuthentication.Unbound,
            KbdInteractiveDevices = _config.Get(Keywords.KbdInteractiveDevices) ?? "",
            ChannelTimeouts = _config.ChannelTimeouts,
            KexMemory = new KexMemory(KexMemoryPath()),
            Banner = _log.Shows(OpenSshLogLevel.Info) ? StandardStreams.WriteError : null,
            LoggerFactory = new OpenSshLoggerProvider(_log),
            PreferredAuthentications = Methods(),
        };
        foreach (var credential in AllCredentials(options.PreferredAuthentications))
        {
            options.Credentials.Add(credential);
        }

        return new ClientSettings
        {
            Options = options,
            Connected = WeakCrypto.Warning(_config, _log),
            Host = _config.OriginalHost,
            LocalForwards = _config.LocalForwards,
            DynamicForwards = _config.DynamicForwards,
            RemoteForwards = _config.RemoteForwards,
            Tunnel = _config.Tunnel,
            TunnelDevice = _config.Get(Keywords.TunnelDevice),
            RemoteOpen = _config.Get(Keywords.PermitRemoteOpen),
            Listen = new ListenOptions
            {
                AddressFamily = family,
                GatewayPorts = _config.Get(Keywords.GatewayPorts),
                UnlinkFirst = _config.Get(Keywords.StreamLocalBindUnlink),
                BindMask = (UnixFileMode)_config.Get(Keywords.StreamLocalBindMask),
            },
            ExitOnForwardFailure = _config.Get(Keywords.ExitOnForwardFailure),
            Owned = _owned,
        };
    }

    /// <summary>The user, whose name may come from a file that Host %h or a variable filled in.</summary>
    private string CheckedUser() => Destination.IsValidUser(_config.User)
        ? _config.User
        : throw new UsageException("remote username contains invalid characters");

    private async Task<IPAddress?> BindAddressAsync(AddressFamily family, CancellationToken cancellationToken)
    {
        if (_config.Get(Keywords.BindAddress) is not { } name)
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

    /// <summary>A cache: what is lost with it is learned again.</summary>
    private static string KexMemoryPath()
    {
        // A path that is not absolute counts as none (XDG Base Directory Specification).
        var cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is ['/', ..] set ? set
            : Path.Join(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Join(cache, "adit", "kex");
    }

    private Func<SshClientOptions, CancellationToken, ValueTask<Stream>>? Proxy(string user) =>
        _config.Get(Keywords.ProxyCommand) is { Length: > 0 } command && !command.Equals("none", StringComparison.OrdinalIgnoreCase)
            ? async (options, cancellationToken) => _config.Get(Keywords.ProxyUseFdpass)
                ? await ProxyDescriptor.ConnectAsync(ProxyCommandStream.Expand(command, options.Host, _config.OriginalHost, options.Port, user), cancellationToken).ConfigureAwait(false)
                : ProxyCommandStream.Start(command, options.Host, _config.OriginalHost, options.Port, user)
            : null;

    /// <summary>PreferredAuthentications, without what is turned off.</summary>
    private string[] Methods()
    {
        IReadOnlyList<string> wanted = _config.Get(Keywords.PreferredAuthentications)?.Split(',', StringSplitOptions.RemoveEmptyEntries) ?? DefaultMethods;
        return [.. wanted.Where(method => method switch
        {
            "publickey" => _config.Get(Keywords.PubkeyAuthentication) != PubkeyAuthentication.No,
            "keyboard-interactive" => _config.Get(Keywords.KbdInteractiveAuthentication),
            "password" => _config.Get(Keywords.PasswordAuthentication),
            _ => false,
        })];
    }

    private List<Credential> AllCredentials(IReadOnlyList<string> methods)
    {
        var credentials = new List<Credential>();
        if (methods.Contains("publickey"))
        {
            credentials.Add(Keys());
        }

        var attempts = _config.Get(Keywords.NumberOfPasswordPrompts);
        if (attempts > 0 && _questions is not null)
        {
            credentials.Add(Credential.KeyboardInteractive(_questions.AnswerAsync, attempts));
            credentials.Add(Credential.Password(_questions.AskSecretAsync, attempts));
        }

        return credentials;
    }

    /// <summary>They are looked for when the server is known: an agent lists other keys to one who has told it where to.</summary>
    private Credential Keys()
    {
        var agent = _config.IdentityAgentSocket is { } socket ? new SshAgent(socket) : null;
        if (agent is not null)
        {
            _owned.Add(agent);
        }

        var areDefaults = !_config.IsSet(Keywords.IdentityFile);
        var order = new KeyOrder(
            [.. _config.IdentityFiles.Select(path => new IdentityFile(path, areDefaults))],
            _config.CertificateFiles,
            agent,
            _config.Get(Keywords.IdentitiesOnly),
            _questions is null ? null : _questions.AskSecretAsync,
            _log,
            _config.Get(Keywords.RequiredRsaSize),
            AgentKeyAdder.Create(_config, _questions is null ? null : _questions.ConfirmAsync, _log));
        _owned.Add(order);
        return Credential.Deferred(agent, async token => await order.BuildAsync(token).ConfigureAwait(false));
    }
}
