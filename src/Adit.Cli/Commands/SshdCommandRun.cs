using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading.Channels;
using Adit.Cli.Client;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Server.Configuration;
using Adit.Server.Service;
using Adit.Server.Users;
using Adit.Ssh;
using Microsoft.Extensions.Logging;

namespace Adit.Cli.Commands;

/// <summary>The running server: listens, obeys signals, and gives up its ports, its connections and its pid file at the end.</summary>
internal sealed class SshdCommandRun(SshdCommandLine line, LogOutput log, ILoggerFactory loggers, SshdCommandConfig source, IUserDatabase users, SshdDaemon? daemon)
{
    private const int KilledByQuit = 255;

    /// <summary>For goodbyes. Programs of sessions that do not end by that are not waited for.</summary>
    private static readonly TimeSpan EndTime = TimeSpan.FromSeconds(2);

    private readonly ILogger _logger = loggers.CreateLogger("Adit.Server");
    private readonly Channel<PosixSignal> _signals = Channel.CreateUnbounded<PosixSignal>();

    private readonly ServiceManager _manager = ServiceManager.Adopt();

    public async Task<int> RunAsync(SshdConfig config, SshServerOptions options)
    {
        using var registrations = new Registrations(Take, PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGQUIT, PosixSignal.SIGHUP);
        foreach (var socket in _manager.Sockets)
        {
            options.ListeningSockets.Add(socket);
        }

        var server = await StartAsync(ForDebugging(options)).ConfigureAwait(false);
        var pidFile = line.Debug > 0 ? null : SshdCommandPidFile.Write(config, _logger);
        try
        {
            log.Witness = null;
            daemon?.Ready();
            _manager.Ready();
            while (true)
            {
                if (await SignalOrEndAsync(server, options.AcceptLimit is not null).ConfigureAwait(false) is not { } received)
                {
                    return ExitCode.Success;
                }

                if (received == PosixSignal.SIGHUP)
                {
                    pidFile = await ReloadAsync(server, pidFile).ConfigureAwait(false);
                    continue;
                }

                log.Write(OpenSshLogLevel.Info, $"Received signal {Number(received)}; terminating.");
                pidFile?.Dispose();
                await EndAsync(server, received).ConfigureAwait(false);
                return received == PosixSignal.SIGQUIT ? KilledByQuit : ExitCode.Success;
            }
        }
        finally
        {
            pidFile?.Dispose();
        }
    }

    /// <summary>The next signal; null where the last connection ended before one, for a server that takes no more.</summary>
    private async Task<PosixSignal?> SignalOrEndAsync(SshServer server, bool mayEnd)
    {
        using var ended = new CancellationTokenSource();
        var signal = _signals.Reader.ReadAsync(ended.Token).AsTask();
        if (mayEnd && await Task.WhenAny(signal, server.WhenEndedAsync()).ConfigureAwait(false) != signal)
        {
            await ended.CancelAsync().ConfigureAwait(false);
            return null;
        }

        return await signal.ConfigureAwait(false);
    }

    /// <summary>As sshd: who is connected stays connected, and the port is free at once. A second request to end, or Ctrl-C, ends them too.</summary>
    private async Task EndAsync(SshServer server, PosixSignal received)
    {
        _manager.Stopping();
        await server.StopListeningAsync().ConfigureAwait(false);
        if (received != PosixSignal.SIGINT && server.ConnectionCount > 0)
        {
            log.Write(OpenSshLogLevel.Debug1, $"adit: {server.ConnectionCount} connections go on until they end; a second signal ends them");
            while (await SignalOrEndAsync(server, mayEnd: true).ConfigureAwait(false) is PosixSignal.SIGHUP)
            {
                // Nothing to read again.
            }
        }

        await Task.WhenAny(server.StopAsync(TimeSpan.Zero), Task.Delay(EndTime)).ConfigureAwait(false);
    }

    /// <summary>sshd -i: the one connection that standard input and output are.</summary>
    public static async Task<int> ServeStandardStreamsAsync(SshServerOptions options)
    {
        await using var server = new SshServer(options);
        if (IsConnection())
        {
            await server.ServeAsync(new Socket(new SafeSocketHandle(0, ownsHandle: true))).ConfigureAwait(false);
        }
        else
        {
            await server.ServeAsync(new StandardStreamPair()).ConfigureAwait(false);
        }

        return ExitCode.Success;
    }

    /// <summary>inetd hands the connection over as all three streams: a log line there would go to the client.</summary>
    public static bool StandardErrorIsTheConnection() => Link(2) is { Length: > 0 } error && (error == Link(0) || error == Link(1)) && !error.StartsWith("/dev/", StringComparison.Ordinal);

    /// <summary>A pair of pipes or of Unix sockets is none: its peer has no address.</summary>
    private static bool IsConnection()
    {
        if (!Link(0).StartsWith("socket:", StringComparison.Ordinal))
        {
            return false;
        }

        using var socket = new Socket(new SafeSocketHandle(0, ownsHandle: false));
        return socket.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6;
    }

    private static string Link(int descriptor)
    {
        try
        {
            return OperatingSystem.IsLinux() ? new FileInfo($"/proc/self/fd/{descriptor}").LinkTarget ?? "" : "";
        }
        catch (IOException)
        {
            return "";
        }
    }

    /// <summary>Reads the configuration again; what it says counts for whoever connects from now on. A configuration that is no good changes nothing: the old one goes on.</summary>
    private async Task<SshdCommandPidFile?> ReloadAsync(SshServer server, SshdCommandPidFile? pidFile)
    {
        log.Write(OpenSshLogLevel.Info, "Received SIGHUP; restarting.");
        _manager.Reloading();
        try
        {
            var config = source.Load() ?? throw new SshException(SshError.Configuration, "bad options on the command line");
            var hostKeys = await HostKeyFiles.LoadAsync(config, _logger).ConfigureAwait(false);
            if (hostKeys.Count == 0)
            {
                throw new SshException(SshError.FileAccess, "sshd: no hostkeys available");
            }

            await server.ReplaceAsync(ForDebugging(SshdOptions.Create(config, hostKeys, users, loggers, SessionStartCommand.Helper))).ConfigureAwait(false);
            log.Level = SshdCommand.LevelOf(line, config);
            SshdCommand.OpenSystemLog(line, config, log);
            if (line.Debug == 0)
            {
                pidFile?.Dispose();
                return SshdCommandPidFile.Write(config, _logger);
            }
        }
        catch (SshException error)
        {
            ReportReload(error);
        }
        finally
        {
            _manager.Ready();
        }

        return pidFile;
    }

    private void ReportReload(SshException error)
    {
        ErrorReporter.Report(log, error);
        log.Write(OpenSshLogLevel.Error, "adit: the new configuration cannot be used; the old one stays in force");
    }

    private static async Task<SshServer> StartAsync(SshServerOptions options)
    {
        var server = new SshServer(options);
        try
        {
            await server.StartAsync().ConfigureAwait(false);
            return server;
        }
        catch (SshException)
        {
            await server.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>sshd -d: one connection, and time enough to look around in a debugger.</summary>
    private SshServerOptions ForDebugging(SshServerOptions options)
    {
        if (line.Debug > 0)
        {
            options.AcceptLimit = 1;
            options.LoginGraceTime = null;
        }

        return options;
    }

    private void Take(PosixSignalContext context)
    {
        context.Cancel = true;
        _signals.Writer.TryWrite(context.Signal);
    }

    private static int Number(PosixSignal signal) => signal == PosixSignal.SIGQUIT ? 3 : EndingSignals.Number(signal);

    private sealed class Registrations(Action<PosixSignalContext> handler, params PosixSignal[] signals) : IDisposable
    {
        private readonly PosixSignalRegistration[] _registrations = [.. signals.Select(signal => PosixSignalRegistration.Create(signal, handler))];

        public void Dispose()
        {
            foreach (var registration in _registrations)
            {
                registration.Dispose();
            }
        }
    }
}
