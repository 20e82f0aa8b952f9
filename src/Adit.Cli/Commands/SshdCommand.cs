using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Cli.Help;
using Adit.Server.Configuration;
using Adit.Server.Processes;
using Adit.Server.Service;
using Adit.Server.Users;
using Adit.Ssh;

namespace Adit.Cli.Commands;

/// <summary><c>adit sshd</c>: the server, with sshd(8)'s flags.</summary>
internal static class SshdCommand
{
    /// <summary>sshd's exit code for a command line it does not understand, and for no host keys.</summary>
    private const int BadStart = 1;

    /// <param name="arguments">The words after the program's name.</param>
    /// <param name="asSshd">The program was called by the name sshd, and calls itself so.</param>
    public static async Task<int> RunAsync(string[] arguments, bool asSshd = false)
    {
        var log = new LogOutput();
        using var daemon = SshdDaemon.Adopt();
        try
        {
            var line = SshdCommandLine.Parse(arguments);
            switch (line.Action)
            {
                case SshdAction.ShowHelp:
                    StandardStreams.WriteOut(SshdCommandHelp.Text);
                    return ExitCode.Success;
                case SshdAction.ShowVersion:
                    StandardStreams.WriteErrorLine(Overview.SshVersionLine);
                    return ExitCode.Success;
                default:
                    log = OpenLog(line, daemon);
                    return await RunAsync(line, log, daemon).ConfigureAwait(false);
            }
        }
        catch (UsageException e)
        {
            foreach (var text in ErrorReporter.Lines(e))
            {
                log.Write(OpenSshLogLevel.Error, text);
            }

            if (e.ShowUsage)
            {
                StandardStreams.WriteError(HelpPage.Usage(SshdCommandHelp.Manual, asSshd));
            }

            return BadStart;
        }
        catch (SshException e) when (e.Error == SshError.FileAccess)
        {
            ErrorReporter.Report(log, e);
            return BadStart;
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

    private static async Task<int> RunAsync(SshdCommandLine line, LogOutput log, SshdDaemon? daemon)
    {
        var loggers = new OpenSshLoggerProvider(log);
        var source = new SshdCommandConfig(line, loggers);
        if (source.Load() is not { } config)
        {
            return BadStart;
        }

        log.Level = LevelOf(line, config);
        if (line.Action == SshdAction.Print)
        {
            return Print(line, config);
        }

        var hostKeys = await HostKeyFiles.LoadAsync(config, loggers.CreateLogger("Adit.Server")).ConfigureAwait(false);
        if (hostKeys.Count == 0)
        {
            log.Write(OpenSshLogLevel.Info, "sshd: no hostkeys available -- exiting.");
            foreach (var hint in ErrorReporter.Hints(HostKeyHint(config)))
            {
                log.Write(OpenSshLogLevel.Info, hint);
            }

            return BadStart;
        }

        if (!OperatingSystem.IsLinux())
        {
            throw new UsageException("adit: the server's system accounts are only built for Linux so far");
        }

        var users = new SystemUsers();
        var options = SshdOptions.Create(config, hostKeys, users, loggers, SessionStartCommand.Helper);
        switch (line)
        {
            case { Action: SshdAction.Test }:
                return ExitCode.Success;
            case { Action: SshdAction.TestAndPrint }:
                return Print(line, config);
            case { Inetd: false, Foreground: false, Debug: 0 } when daemon is null && !ServiceManager.HasSockets():
                return SshdDaemon.Start();
        }

        ProcessSetup.ForServer();
        OpenSystemLog(line, config, log);
        if (line.Inetd)
        {
            return await SshdCommandRun.ServeStandardStreamsAsync(options).ConfigureAwait(false);
        }

        if (daemon is not null)
        {
            log.Witness = daemon.Tell;
        }

        return await new SshdCommandRun(line, log, loggers, source, users, daemon).RunAsync(config, options).ConfigureAwait(false);
    }

    /// <summary>As sshd: what is wrong before it serves goes to standard error, unless that may be the connection (-i) or nobody's (a daemon's).</summary>
    private static LogOutput OpenLog(SshdCommandLine line, SshdDaemon? daemon)
    {
        var log = line.LogFile is { } file ? LogOutput.ToFile(file) : new LogOutput();
        log.Level = LevelOf(line, SshdConfig.Default);
        log.LevelHere = () => LoginLogLevel.Current is { } level ? Map(level) : null;
        if (line is { Inetd: true, Action: SshdAction.Serve } || daemon is not null)
        {
            OpenSystemLog(line, SshdConfig.Default, log);
        }

        return log;
    }

    /// <summary>syslog(3) is where the log goes unless -e, -E or -d says otherwise.</summary>
    internal static void OpenSystemLog(SshdCommandLine line, SshdConfig config, LogOutput log)
    {
        if (line is { LogFile: null, LogToStandardError: false, Debug: 0 } && !OperatingSystem.IsWindows())
        {
            log.UseSystemLog(config.Get(SshdKeywords.SyslogFacility), "sshd");
        }
    }

    /// <summary>-d goes before -q, and both before LogLevel.</summary>
    internal static OpenSshLogLevel LevelOf(SshdCommandLine line, SshdConfig config) => line switch
    {
        { Debug: > 0 } => OpenSshLogLevel.Debug1 + (line.Debug - 1),
        { Quiet: true } => OpenSshLogLevel.Quiet,
        _ => Map(LogKeywords.LevelOf(config)),
    };

    private static OpenSshLogLevel Map(SshdLogLevel level) => level switch
    {
        SshdLogLevel.Quiet => OpenSshLogLevel.Quiet,
        SshdLogLevel.Fatal => OpenSshLogLevel.Fatal,
        SshdLogLevel.Error => OpenSshLogLevel.Error,
        SshdLogLevel.Info => OpenSshLogLevel.Info,
        SshdLogLevel.Verbose => OpenSshLogLevel.Verbose,
        SshdLogLevel.Debug1 => OpenSshLogLevel.Debug1,
        SshdLogLevel.Debug2 => OpenSshLogLevel.Debug2,
        _ => OpenSshLogLevel.Debug3,
    };

    private static int Print(SshdCommandLine line, SshdConfig config)
    {
        if (line.Connection is { } connection)
        {
            config = config.For(new MatchContext
            {
                UserName = connection.GetValueOrDefault("user"),
                InvalidUser = connection.ContainsKey("invalid-user"),
                Groups = () => OperatingSystem.IsLinux() && connection.TryGetValue("user", out var name) && new SystemUsers().Find(name) is { } user
                    ? new SystemUsers().GroupNames(user)
                    : [],
                Host = connection.GetValueOrDefault("host"),
                Address = connection.GetValueOrDefault("addr"),
                LocalAddress = connection.GetValueOrDefault("laddr"),
                LocalPort = Adit.Ssh.OpenSsh.PortFormat.TryParse(connection.GetValueOrDefault("lport"), out var port) ? port : 0,
                RoutingDomain = connection.GetValueOrDefault("rdomain"),
            });
        }

        StandardStreams.WriteOut(string.Concat(SshdConfigPrinter.Print(config, HostKeyFiles.PathsOf(config)).Select(text => text + "\n")));
        return ExitCode.Success;
    }

    private static string HostKeyHint(SshdConfig config) => config.IsSet(SshdKeywords.HostKey)
        ? "None of the host keys that -h or HostKey names can be used. \"-d\" tells more. A key is made with: adit keygen -t ed25519 -f ./host_key"
        : $"""
        A server needs a host key, and {Environment.UserName} can read none in /etc/ssh. Make one, and use a port above 1023:
          adit keygen -t ed25519 -f ./host_key
          adit sshd -D -e -p 2222 -h ./host_key
        """;
}
