using System.Text;
using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Server.Policy;
using Adit.Server.Processes;
using Adit.Server.Sessions;
using Adit.Server.Users;
using Adit.Ssh;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Service;

/// <summary>Makes a server's options out of sshd_config(5).</summary>
public static class SshdOptions
{
    private const int MaxBannerLength = 256 * 1024;

    /// <summary>A server's options for a configuration that stays what it is.</summary>
    /// <inheritdoc cref="Create(LiveSshdConfig, IEnumerable{ISigner}, IUserDatabase, ILoggerFactory, StartHelper)"/>
    public static SshServerOptions Create(SshdConfig config, IEnumerable<ISigner> hostKeys, IUserDatabase users, ILoggerFactory loggerFactory, StartHelper? helper = null) =>
        Create(new LiveSshdConfig(config), hostKeys, users, loggerFactory, helper);

    /// <summary>A server's options. What is said about logins and forwarding goes by what <paramref name="live"/> holds at each moment; the rest by what it holds now. Throws <see cref="SshException"/> (<see cref="SshError.Configuration"/>) when addresses cannot be used, or nobody could ever log in.</summary>
    /// <param name="live">The configuration.</param>
    /// <param name="hostKeys">At least one.</param>
    /// <param name="users">Who there is.</param>
    /// <param name="loggerFactory">For all that the server says.</param>
    /// <param name="helper">Starts programs as other users than this process's, and in other root folders; null for none.</param>
    public static SshServerOptions Create(LiveSshdConfig live, IEnumerable<ISigner> hostKeys, IUserDatabase users, ILoggerFactory loggerFactory, StartHelper? helper = null)
    {
        var config = live.Current;
        CheckUser(config, LoginKeywords.AuthorizedKeysCommand, LoginKeywords.AuthorizedKeysCommandUser);
        CheckUser(config, LoginKeywords.AuthorizedPrincipalsCommand, LoginKeywords.AuthorizedPrincipalsCommandUser);
        var serverLogger = loggerFactory.CreateLogger("Adit.Server");
        var authenticator = new AuthorizedKeysAuthenticator(live, users, loggerFactory, null, new UserPrograms(helper, users, serverLogger), PamOf(config, users, helper, serverLogger));
        if (!authenticator.CanAnybodyLogIn && !config.HasMatchBlocks)
        {
            throw new SshException(SshError.Configuration, string.Concat(authenticator.DisabledMethods.Select(line => line + "\n")) + "AuthenticationMethods cannot be satisfied by enabled authentication methods")
            {
                Hint = "Every method, or one in each chain of AuthenticationMethods, is switched off or impossible here (passwords can be checked by root only).",
            };
        }

        var sockets = new UserUnixSockets(config, users, loggerFactory);
        var options = new SshServerOptions
        {
            Authenticator = authenticator,
            ForwardingPolicy = new ServerForwardingPolicy(live, users),
            UnixSockets = sockets,
            LoggerFactory = loggerFactory,
        };
        Apply(config, options, serverLogger);
        options.Services.Add(new SessionService(users, helper, serverLogger, SessionFeatures(users, sockets)));
        options.Services.Add(new TunnelService(users, TimeProvider.System));
        foreach (var key in hostKeys)
        {
            options.HostKeys.Add(key);
        }

        return options;
    }

    /// <summary>Sets what sshd_config(5) says about the connection: everything but who may log in, what may be forwarded and the host keys.</summary>
    public static void Apply(SshdConfig config, SshServerOptions options, ILogger logger)
    {
        foreach (var endpoint in ListenEndpoints.Of(config))
        {
            options.Endpoints.Add(endpoint);
        }

        var startups = config.Get(K.MaxStartups);
        options.MaxStartupsBegin = startups.Begin;
        options.MaxStartupsRate = startups.Rate;
        options.MaxStartups = startups.Full;
        options.LoginGraceTime = config.Get(K.LoginGraceTime) is { Ticks: > 0 } grace ? grace : null;
        options.ConnectionBegins = config.IsSetInMatch(K.LogLevel) || config.IsSetInMatch(LogKeywords.LogVerbose) ? LoginLogLevel.Begin : null;
        options.FingerprintHash = config.Get(LogKeywords.FingerprintHash);
        options.SourceRules = LoginKeywords.SourceRulesOf(config);
        options.MaxAuthTries = config.Get(K.MaxAuthTries);
        options.AddressFamily = config.Get(K.AddressFamily);
        options.KeepAliveInterval = TimeSpan.FromSeconds(config.Get(K.ClientAliveInterval));
        options.KeepAliveCountMax = config.Get(K.ClientAliveCountMax);
        options.RemoteForwardTakeoverTimeout = config.Get(K.RemoteForwardTakeoverTimeout);
        options.RekeyLimit = config.Get(K.RekeyLimit);
        options.ChannelTimeouts = config.Get(K.ChannelTimeout);
        options.UnusedConnectionTimeout = config.Get(K.UnusedConnectionTimeout);
        options.TcpKeepAlive = config.Get(K.TcpKeepAlive);
        options.ModuliFile = config.Get(K.ModuliFile);
        options.VersionAddendum = NoneIsNull(config.Get(K.VersionAddendum));
        options.Banner = ReadBanner(NoneIsNull(config.Get(K.Banner)), logger);
        options.Algorithms = new AlgorithmPreferences
        {
            KeyExchange = config.Get(K.KexAlgorithms).Names,
            HostKey = config.Get(K.HostKeyAlgorithms).Names,
            Ciphers = config.Get(K.Ciphers).Names,
            Macs = config.Get(K.Macs).Names,
            Compression = config.Get(K.Compression) ? ["none", "zlib@openssh.com"] : ["none"],
            PublicKey = config.Get(K.PubkeyAcceptedAlgorithms).Names,
        };
    }

    /// <summary>What sessions have besides programs.</summary>
    private static Func<SessionScope, ISessionFeature>[] SessionFeatures(IUserDatabase users, UserUnixSockets sockets) =>
        [scope => new AgentForwardingFeature(scope, users, sockets, TimeProvider.System), scope => new X11ForwardingFeature(scope, TimeProvider.System)];

    /// <summary>PAM is asked by helpers, and the library is looked for only where the configuration wants it. Null where there is no helper or no library.</summary>
    private static Pam.PamHelperStart? PamOf(SshdConfig config, IUserDatabase users, StartHelper? helper, ILogger logger)
    {
        if (helper is null || !config.Get(K.UsePam) || !Pam.PamCalls.IsInstalled)
        {
            return null;
        }

        var launcher = new ProgramLauncher(helper, users, logger);
        return cancellationToken => Pam.PamHelper.StartAsync(launcher, cancellationToken);
    }

    private static void CheckUser(SshdConfig config, SshdKeyword<string> command, SshdKeyword<string> user)
    {
        if (NoneIsNull(config.Get(command)) is not null && !config.IsSet(user))
        {
            throw new SshException(SshError.Configuration, $"{command.Name} set without {user.Name}");
        }
    }

    /// <summary>What Match blocks set for one login in place of what <see cref="Apply"/> has set for all; null where they set nothing of this.</summary>
    internal static ConnectionSettings? SettingsOf(SshdConfig config)
    {
        var settings = new ConnectionSettings
        {
            KeepAliveInterval = config.TryGetMatched(K.ClientAliveInterval, out var interval) ? TimeSpan.FromSeconds(interval) : null,
            KeepAliveCountMax = config.TryGetMatched(K.ClientAliveCountMax, out var count) ? count : null,
            RekeyLimit = config.TryGetMatched(K.RekeyLimit, out var limit) ? limit : null,
            ChannelTimeouts = config.TryGetMatched(K.ChannelTimeout, out var timeouts) ? timeouts : null,
            UnusedConnectionTimeout = config.TryGetMatched(K.UnusedConnectionTimeout, out var unused) ? unused : null,
        };
        return settings == new ConnectionSettings() ? null : settings;
    }

    internal static string? NoneIsNull(string value) => value.Equals("none", StringComparison.OrdinalIgnoreCase) ? null : value;

    /// <summary>A banner that cannot be read is left out: it is no reason to lock people out.</summary>
    internal static string? ReadBanner(string? path, ILogger logger)
    {
        if (path is null)
        {
            return null;
        }

        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read);
            if (file.Length <= MaxBannerLength)
            {
                using var reader = new StreamReader(file, Encoding.UTF8);
                return reader.ReadToEnd();
            }

            logger.LogError("Banner {Path} is larger than {Limit} bytes and is not shown", PeerText.Escape(path), MaxBannerLength);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            logger.LogError("Banner {Path} is not shown: {Reason}", PeerText.Escape(path), FileErrors.Describe(error));
        }

        return null;
    }
}
