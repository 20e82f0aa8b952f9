using System.Globalization;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Cli.Multiplexing;
using Adit.Cli.Terminal;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Client;

/// <summary>The machines of ProxyJump, each reached through the one before, by connections of this process from the last one on that another process is connected to. A jump host has its own configuration, which comes
/// from the files alone: of the command line only -F and -v are for it too. Keepalives it has no word on are the target's.</summary>
internal sealed class JumpChain : IAsyncDisposable
{
    /// <summary>Files can send one jump host through another for ever.</summary>
    private const int MaxHops = 100;

    /// <summary>What ssh says whose proxy has ended before there was a connection. Scripts look for it.</summary>
    private const string Cut = "\nkex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535";

    private readonly SshArguments _arguments;
    private readonly LogOutput _log;
    private readonly IPrompter _prompter;
    private readonly List<Hop> _hops = [];

    private JumpChain(SshArguments arguments, LogOutput log, IPrompter prompter) => (_arguments, _log, _prompter) = (arguments, log, prompter);

    /// <summary>The way through the jump host that another process is connected to; null where all are connected to from here.</summary>
    private MasterRoute? _shared;

    /// <param name="Config">What the files say about it.</param>
    /// <param name="Words">The command line of OpenSSH's for the same way: to it, and on to the next machine.</param>
    private sealed record Stop(SshConfigValues Config, IReadOnlyList<string> Words);

    private sealed record Hop(string Name, SshClient Client, ClientSettings Settings, HopMaster? Master);

    /// <summary>Which machine on the way ended its connection, and why; null while all are up.</summary>
    public string? Fault => _hops.Select(hop => (hop.Name, Fault: hop.Master is { WasEnded: true } ? "somebody who shares the connection to it ended it (-O exit)." : hop.Client.Fault?.Message))
        .Where(hop => hop.Fault is not null).Select(hop => $"The jump host {hop.Name} is gone: {hop.Fault}").FirstOrDefault();

    /// <summary>Connects to all of them, the nearest first. Null where the configuration has none.</summary>
    /// <param name="config">The destination's.</param>
    /// <param name="arguments">The command line.</param>
    /// <param name="log">Where lines go.</param>
    /// <param name="prompter">Asks for passwords and host keys.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<JumpChain?> ConnectAsync(
        SshConfigValues config, SshArguments arguments, LogOutput log, IPrompter prompter, CancellationToken cancellationToken)
    {
        if (config.Get(Keywords.ProxyJump).Count == 0)
        {
            return null;
        }

        var chain = new JumpChain(arguments, log, prompter);
        try
        {
            var route = new List<Stop>();
            for (var target = config; chain.StopBefore(target) is { } stop; target = stop.Config)
            {
                route.Insert(0, stop);
                if (route.Count > MaxHops)
                {
                    throw Loop(stop.Config.Host);
                }
            }

            // Where another process is connected to one of them, or is to be from now on, those before it are not needed here.
            var first = 0;
            for (var i = route.Count - 1; i >= 0 && chain._shared is null; i--)
            {
                chain._shared = await MasterRoute.FindAsync(route[i].Config, log, cancellationToken).ConfigureAwait(false)
                    ?? await MasterRoute.PersistAsync(route[i].Config, route[i].Words, log, cancellationToken).ConfigureAwait(false);
                first = chain._shared is null ? 0 : i + 1;
            }

            for (var i = first; i < route.Count; i++)
            {
                await chain.AddAsync(route[i].Config, i, route.Count, cancellationToken).ConfigureAwait(false);
            }

            return chain;
        }
        catch
        {
            await chain.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>A connection from the last machine to where <paramref name="options"/> want to go.</summary>
    public async ValueTask<Stream> OpenAsync(SshClientOptions options, CancellationToken cancellationToken)
    {
        if (_hops.Count == 0)
        {
            return await _shared!.OpenAsync(options, cancellationToken).ConfigureAwait(false);
        }

        var last = _hops[^1];
        try
        {
            return await last.Client.OpenTcpAsync(options.Host, options.Port, cancellationToken).ConfigureAwait(false);
        }
        catch (SshException e) when (e.Error == SshError.ChannelOpenFailed)
        {
            var refused = Refused(e);
            throw new SshException(refused.Error, refused.Message + Cut, e) { OpenFailureReason = refused.OpenFailureReason, Hint = refused.Hint };
        }
    }

    /// <summary>What "ssh -W" says, and which machine would not.</summary>
    public static SshException Refused(SshException refusal) =>
        new(SshError.ChannelOpenFailed, $"{refusal.Message}\nstdio forwarding failed", refusal) { OpenFailureReason = refusal.OpenFailureReason, Hint = refusal.Hint };

    /// <summary>The farthest first: each goodbye still has a way.</summary>
    public async ValueTask DisposeAsync()
    {
        for (var i = _hops.Count - 1; i >= 0; i--)
        {
            if (_hops[i].Master is { } master)
            {
                await master.DisposeAsync().ConfigureAwait(false);
            }

            await _hops[i].Client.DisposeAsync().ConfigureAwait(false);
            await _hops[i].Settings.DisposeAsync().ConfigureAwait(false);
        }

        _hops.Clear();
    }

    /// <summary>The machine just before a target: the last of its ProxyJump, which the others are to be ProxyJump of. Null where it has none.</summary>
    private Stop? StopBefore(SshConfigValues target)
    {
        var jumps = target.Get(Keywords.ProxyJump);
        if (jumps.Count == 0)
        {
            return null;
        }

        var jump = jumps[^1];
        if (jump.Host == target.Host && (jump.Port ?? 22) == target.Port && (jump.User ?? target.User) == target.User)
        {
            throw Loop(jump.Host);
        }

        var arguments = new SshArguments { Host = jump.Host, ConfigFile = _arguments.ConfigFile };
        arguments.ForwardOnly();
        arguments.Overrides["ClearAllForwardings"] = "yes";
        arguments.Overrides["ForkAfterAuthentication"] = "no";
        var words = new List<string>();
        if (_arguments.ConfigFile is { } file)
        {
            words.AddRange(["-F", file]);
        }

        // As many -v as this process has.
        for (var level = OpenSshLogLevel.Debug1; level <= OpenSshLogLevel.Debug3 && _log.Level >= level; level++)
        {
            words.Add("-v");
        }

        if (jump.User is { } user)
        {
            words.AddRange(["-l", user]);
            arguments.User = user;
            arguments.Lines.Add($"User \"{user}\"");
        }

        if (jump.Port is { } port)
        {
            words.AddRange(["-p", port.ToString(CultureInfo.InvariantCulture)]);
            arguments.Lines.Add(string.Create(CultureInfo.InvariantCulture, $"Port {port}"));
        }

        if (jumps.Count > 1)
        {
            var others = string.Join(',', jumps.SkipLast(1));
            words.AddRange(["-J", others]);
            arguments.Lines.Add($"ProxyJump {others}");
        }

        words.AddRange(["-W", string.Create(CultureInfo.InvariantCulture, $"[{target.Host}]:{target.Port}"), jump.Host]);

        // The whole way is one tunnel: where the jump host's own configuration says nothing, the target's keepalives hold.
        var hop = ClientConfig.Resolve(arguments, _log);
        hop.SetDefault(Keywords.ServerAliveInterval, target.Get(Keywords.ServerAliveInterval));
        hop.SetDefault(Keywords.ServerAliveCountMax, target.Get(Keywords.ServerAliveCountMax));
        return new Stop(hop, words);
    }

    private async Task AddAsync(SshConfigValues config, int index, int count, CancellationToken cancellationToken)
    {
        var settings = await ClientSettingsBuilder.BuildAsync(config, _log, _prompter, cancellationToken).ConfigureAwait(false);
        var name = $"{settings.Options.UserName}@{settings.Options.Host}";
        if (_hops.Count > 0 || _shared is not null)
        {
            settings.Options.ConnectCallback = OpenAsync;
        }

        SshClient? client = null;
        try
        {
            client = await SshClient.ConnectAsync(settings.Options, cancellationToken).ConfigureAwait(false);
            _hops.Add(new Hop(name, client, settings, HopMaster.Start(config, client, settings, _prompter, _log)));
        }
        catch (SshException e)
        {
            if (client is not null)
            {
                await client.DisposeAsync().ConfigureAwait(false);
            }

            await settings.DisposeAsync().ConfigureAwait(false);
            var where = $"This was jump host {index + 1} of {count}: {name}, port {settings.Options.Port}.";

            // There each machine behind it, the destination too, has a process whose proxy that was.
            throw new SshException(e.Error, e.Message + string.Concat(Enumerable.Repeat(Cut, count - index)), e)
            {
                DisconnectReason = e.DisconnectReason,
                OpenFailureReason = e.OpenFailureReason,
                Hint = e.Hint is null ? where : $"{where}\n{e.Hint}",
            };
        }
    }

    private static SshException Loop(string host) => new(SshError.Configuration, $"jumphost loop via {host}")
    {
        Hint = "The configuration sends the jump host through itself. A ProxyJump under \"Host *\" holds for the jump host too: write \"Host * !jumphost\".",
    };
}
