using System.Net.Sockets;
using Adit.Cli.Client;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Cli.Sessions;
using Adit.Cli.Terminal;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Multiplexing;

/// <summary>-O proxy: a run like any other, sessions and forwards, whose packets go through the master's connection. Unlike a plain client this one carries the bytes
/// itself and hands no descriptors over, so that the master may be on another machine, behind a forwarded socket.</summary>
internal static class ProxiedRun
{
    /// <summary>Returns the exit code.</summary>
    /// <exception cref="UsageException">The master would not, or what is asked for cannot be in this mode.</exception>
    public static async Task<int> RunAsync(MuxClient client, SshConfigValues config, SshArguments arguments, LogOutput log, CancellationToken cancellationToken)
    {
        if (config.Get(Keywords.ForkAfterAuthentication))
        {
            throw new UsageException("adit: -f (ForkAfterAuthentication) with -O proxy is not built in this version.");
        }

        if (config.Get(Keywords.ForwardAgent).Enabled)
        {
            log.Write(OpenSshLogLevel.Info, "adit: with -O proxy the agent is not forwarded: the server would ask the master for it.");
        }

        if (config.Get(Keywords.ForwardX11))
        {
            log.Write(OpenSshLogLevel.Info, "adit: with -O proxy no display is forwarded: the server would ask the master for it.");
        }

        var session = SessionSettings.From(config, arguments, log);
        using var prompter = new OpenSshPrompter(log);
        await using var settings = await ClientSettingsBuilder.BuildAsync(config, log, prompter, cancellationToken).ConfigureAwait(false);
        await client.ProxyAsync(cancellationToken).ConfigureAwait(false);
        settings.Attach = () => SshClient.OverProxy(new NetworkStream(client.Connection.Socket, ownsSocket: true), settings.Options);
        var run = new ClientSession(settings, session, log) { Prompter = prompter, Hold = new TerminalHold() };
        int exitCode;
        try
        {
            exitCode = await run.RunAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (SshException e)
        {
            exitCode = ErrorReporter.Report(log, e);
        }

        if (run.HadTerminal)
        {
            log.Write(OpenSshLogLevel.Info, $"Connection to {settings.Options.Host} closed.");
        }

        return exitCode;
    }
}
