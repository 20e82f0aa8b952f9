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
internal sealed class SshdCommandRun(SshdCommandLine line, LogOutput log, ILoggerFactory loggers, SshdCommandConfig source, IUserDatabase users)
{
    private const int KilledByQuit = 255;

    private readonly ILogger _logger = loggers.CreateLogger("Adit.Server");
    private readonly Channel<PosixSignal> _signals = Channel.CreateUnbounded<PosixSignal>();

    // Servers whose configuration was replaced; they serve the connections they have.
    private readonly List<SshServer> _retired = [];
    private SshServerOptions _options = new();
    private bool _stopping;

    public async Task<int> RunAsync(SshdConfig config, SshServerOptions options)
    {
        if (line is { Foreground: false, Debug: 0 })
        {
            log.Write(OpenSshLogLevel.Info, "adit: staying in the foreground (running as a daemon is not built yet; -D says that this is meant)");
        }

        using var registrations = new Registrations(Take, PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGQUIT, PosixSignal.SIGHUP);
        _options = ForDebugging(options);
        var server = await StartAsync(_options).ConfigureAwait(false);
        using var pidFile = line.Debug > 0 ? null : SshdCommandPidFile.Write(config, _logger);
        while (true)
        {
            using var ended = new CancellationTokenSource();
            var signal = _signals.Reader.ReadAsync(ended.Token).AsTask();
            if (options.AcceptLimit is not null && await Task.WhenAny(signal, server.WhenEndedAsync()).ConfigureAwait(false) != signal)
            {
                await ended.CancelAsync().ConfigureAwait(false);
                return ExitCode.Success;
            }

            var received = await signal.ConfigureAwait(false);
            if (received == PosixSignal.SIGHUP)
            {
                server = await ReloadAsync(server).ConfigureAwait(false);
                continue;
            }

            log.Write(OpenSshLogLevel.Info, $"Received signal {Number(received)}; terminating.");
            await Task.WhenAll(_retired.Append(server).Select(one => one.StopAsync(TimeSpan.Zero))).ConfigureAwait(false);
            return received == PosixSignal.SIGQUIT ? KilledByQuit : ExitCode.Success;
        }
    }

    /// <summary>sshd -i: the one connection that standard input and output are.</summary>
    public static async Task<int> ServeStandardStreamsAsync(SshServerOptions options)
    {
        await using var server = new SshServer(options);
        if (Link(0).StartsWith("socket:", StringComparison.Ordinal) && new Socket(new SafeSocketHandle(0, ownsHandle: true)) is var socket
            && socket.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6)
        {
            await server.ServeAsync(socket).ConfigureAwait(false);
        }
        else
        {
            await server.ServeAsync(new StandardStreamPair()).ConfigureAwait(false);
        }

        return ExitCode.Success;
    }

    /// <summary>inetd hands the connection over as all three streams: a log line there would go to the client.</summary>
    public static bool StandardErrorIsTheConnection() => Link(2) is { Length: > 0 } error && (error == Link(0) || error == Link(1)) && !error.StartsWith("/dev/", StringComparison.Ordinal);

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

    /// <summary>Reads the configuration again and listens anew. A configuration that is no good changes nothing: the old one goes on.</summary>
    private async Task<SshServer> ReloadAsync(SshServer server)
    {
        log.Write(OpenSshLogLevel.Info, "Received SIGHUP; restarting.");
        SshdConfig config;
        SshServerOptions options;
        try
        {
            config = source.Load() ?? throw new SshException(SshError.Configuration, "bad options on the command line");
            var hostKeys = HostKeyFiles.Load(config, _logger);
            if (hostKeys.Count == 0)
            {
                throw new SshException(SshError.FileAccess, "sshd: no hostkeys available");
            }

            options = SshdOptions.Create(config, hostKeys, users, loggers, SessionStartCommand.Helper);
        }
        catch (SshException error)
        {
            ReportReload(error);
            return server;
        }

        _retired.RemoveAll(retired => retired.ConnectionCount == 0);
        _retired.Add(server);
        await server.StopListeningAsync().ConfigureAwait(false);
        try
        {
            var next = await StartAsync(options).ConfigureAwait(false);
            log.Level = SshdCommand.LevelOf(line, config);
            _options = options;
            return next;
        }
        catch (SshException error)
        {
            ReportReload(error);
            return await StartAsync(_options).ConfigureAwait(false);
        }
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
        // A second request to end is not argued with.
        var end = context.Signal != PosixSignal.SIGHUP;
        if (end && _stopping)
        {
            return;
        }

        _stopping |= end;
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
