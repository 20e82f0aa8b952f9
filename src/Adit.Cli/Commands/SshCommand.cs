using Adit.Cli.Background;
using Adit.Cli.Client;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Cli.Multiplexing;
using Adit.Cli.Sessions;
using Adit.Cli.Terminal;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Commands;

/// <summary><c>adit ssh</c>: the client, with ssh(1)'s flags.</summary>
internal static class SshCommand
{
    /// <param name="arguments">The words after the program's name.</param>
    /// <param name="asSsh">The program was called by the name ssh, and calls itself so.</param>
    public static async Task<int> RunAsync(string[] arguments, bool asSsh = false)
    {
        var log = new LogOutput();
        try
        {
            var parsed = SshArgumentParser.Parse(arguments);
            // Looked for here, so that what prints a line and ends does not load what the other process needs.
            await using var background = Environment.GetEnvironmentVariable(BackgroundLauncher.Variable) is null ? null : BackgroundChild.Adopt();
            if (background is null && parsed.Action == SshAction.Connect && parsed.MultiplexCommand is null && parsed.Overrides.ContainsKey("ForkAfterAuthentication"))
            {
                return await BackgroundLauncher.RunAsync(BackgroundPurpose.Run).ConfigureAwait(false) ?? ExitCode.Success; // -f: the other process does it all
            }

            if (parsed.LogFile is { } file && parsed.Action is not (SshAction.Query or SshAction.ShowVersion))
            {
                log = LogOutput.ToFile(file);
            }

            if (parsed.LogsToSyslog)
            {
                log.UseSystemLog("USER");
            }

            log.Level = parsed.LogLevel ?? OpenSshLogLevel.Info;
            return await RunAsync(parsed, background, log).ConfigureAwait(false);
        }
        catch (UsageException e) when (e.ShowUsage)
        {
            if (e.Message.Length > 0)
            {
                log.Write(OpenSshLogLevel.Error, e.Message);
            }

            StandardStreams.WriteError(SshHelp.UsageOf(asSsh));
            return ExitCode.Ssh;
        }
        catch (Exception e)
        {
            return ErrorReporter.Report(log, e);
        }
        finally
        {
            log.Dispose();
        }
    }

    private static async Task<int> RunAsync(SshArguments arguments, BackgroundChild? background, LogOutput log)
    {
        switch (arguments.Action)
        {
            case SshAction.ShowHelp:
                StandardStreams.WriteOut(SshHelp.Text);
                return ExitCode.Success;
            case SshAction.ShowVersion:
                StandardStreams.WriteErrorLine(Overview.SshVersionLine);
                return ExitCode.Success;
            case SshAction.Query:
                return Query(arguments.Query);
            default:
                if (log.Shows(OpenSshLogLevel.Debug1))
                {
                    log.Write(OpenSshLogLevel.Info, Overview.SshVersionLine);
                }

                foreach (var warning in arguments.Warnings)
                {
                    log.Write(OpenSshLogLevel.Info, warning);
                }

                return await ConnectAsync(arguments, background, log).ConfigureAwait(false);
        }
    }

    private static async Task<int> ConnectAsync(SshArguments arguments, BackgroundChild? background, LogOutput log)
    {
        using var prompter = new OpenSshPrompter(log);
        var config = ClientConfig.Resolve(arguments, log);
        log.Level = ClientConfig.LogLevel(config);
        if (arguments.LogsToSyslog)
        {
            log.UseSystemLog(config.Get(SshConfigKeywords.SyslogFacility) ?? "USER");
        }

        if (arguments.Action == SshAction.PrintConfiguration)
        {
            StandardStreams.WriteOut(SshConfigDump.Write(config));
            return ExitCode.Success;
        }

        if (config.Host.Length == 0)
        {
            throw new SshException(SshError.NameResolution, "ssh: Could not resolve hostname : Name or service not known") { Hint = "The host is an empty word: is a variable of a script not set?" };
        }

        if (config.Get(SshConfigKeywords.RefuseConnection) is { } refusal)
        {
            throw new SshException(SshError.Configuration, $"Refusing connection: {refusal}") { Hint = "RefuseConnection in the configuration says so." };
        }

        if (arguments.MultiplexCommand is not null && await SharedConnection.TryAsync(config, arguments, null, null, log, CancellationToken.None).ConfigureAwait(false) is { } answered)
        {
            return answered;
        }

        if (config.Get(SshConfigKeywords.ForkAfterAuthentication) && background is null)
        {
            return await BackgroundLauncher.RunAsync(BackgroundPurpose.Run).ConfigureAwait(false) ?? ExitCode.Success;
        }

        var isMaster = background is { Purpose: BackgroundPurpose.Master };
        var session = isMaster ? SessionSettings.ForMaster(config) : SessionSettings.From(config, arguments, log);
        if (!isMaster && await MultiplexedRun.TryAsync(config, arguments, session, background, log, CancellationToken.None).ConfigureAwait(false) is { } done)
        {
            return done;
        }

        await using var settings = await ClientSettingsBuilder.BuildAsync(config, log, prompter, CancellationToken.None).ConfigureAwait(false);
        settings.StandardIo = isMaster ? null : arguments.StandardIo;
        settings.Background = background;
        settings.Master = MasterSettings.Of(config);
        await using var jumps = await JumpChain.ConnectAsync(config, arguments, log, prompter, CancellationToken.None).ConfigureAwait(false);
        if (jumps is not null)
        {
            settings.Options.ConnectCallback = jumps.OpenAsync;
        }

        var hold = new TerminalHold();
        var agent = AgentForwardingRequest.Create(config, arguments.ConfirmsAgentUse, prompter, hold, log);
        using var display = X11ForwardingRequest.Create(config, () => Environment.GetEnvironmentVariable("DISPLAY"), log);
        var run = new ClientSession(settings, session, log) { Prompter = prompter, Hold = hold, Requests = RequestsOf(display, agent) };
        int exitCode;
        try
        {
            exitCode = await run.RunAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (SshException e)
        {
            // A jump host's connection that was ended from this side is told as ssh tells the end of its proxy.
            var message = e.Error == SshError.Closed ? "client_loop: send disconnect: Broken pipe" : e.Message;
            exitCode = ErrorReporter.Report(log, jumps?.Fault is { } fault ? new SshException(e.Error, message, e) { Hint = fault } : e);
        }

        if (run.HadTerminal)
        {
            log.Write(OpenSshLogLevel.Info, $"Connection to {settings.Options.Host} closed.");
        }

        run.Totals?.Write(log, exitCode == ExitCode.Ssh ? -1 : exitCode);
        return exitCode;
    }

    /// <summary>In ssh's order.</summary>
    private static IReadOnlyList<ISessionRequests> RequestsOf(X11ForwardingRequest? display, AgentForwardingRequest? agent) =>
        [.. new ISessionRequests?[] { display, agent }.OfType<ISessionRequests>()];

    private static int Query(string query)
    {
        var lines = AlgorithmQuery.Find(query) ?? throw new UsageException($"Unsupported query \"{query}\"") { Hint = "\"-Q help\" lists what can be asked for." };
        StandardStreams.WriteOut(string.Concat(lines.Select(line => line + "\n")));
        return ExitCode.Success;
    }
}
