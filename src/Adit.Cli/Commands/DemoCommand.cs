using System.Net.Sockets;
using Adit.Cli.CommandLine;
using Adit.Cli.Demo;
using Adit.Ssh;
using Adit.Ssh.Wire;

namespace Adit.Cli.Commands;

/// <summary><c>adit demo</c>: a server, a page and a tunnel on loopback.</summary>
internal static class DemoCommand
{
    private const string HelpText =
        """
        usage: adit demo [--once] [--port N]

        Starts an SSH server and a small web page on loopback, with fresh keys that never touch the disk, and
        forwards a port to the page through a real client connection. Fetches the page through the tunnel, shows
        who listens where, and stays until Ctrl-C. Nothing is reachable from other machines.

          --once    leave at once: exit 0 when the page came through, 1 with the reason when it did not
          --port N  listen on 127.0.0.1:N (default: 8080 when it is free, else any free port)

        """;

    public static async Task<int> RunAsync(string[] arguments)
    {
        try
        {
            var options = DemoOptions.Parse(arguments);
            if (options.Help)
            {
                StandardStreams.WriteOut(HelpText);
                return ExitCode.Success;
            }

            return await new DemoRun(options, new DemoConsole()).RunAsync().ConfigureAwait(false);
        }
        catch (UsageException e)
        {
            StandardStreams.WriteErrorLine(e.Message);
            StandardStreams.WriteErrorLine("adit demo --help tells what there is.");
            return ExitCode.Usage;
        }
        catch (SshException e)
        {
            StandardStreams.WriteErrorLine(PeerText.Escape(e.Message));
            foreach (var line in (e.Hint ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                StandardStreams.WriteErrorLine($"adit: {PeerText.Escape(line)}");
            }

            return ExitCode.Failure;
        }
        catch (SocketException e)
        {
            StandardStreams.WriteErrorLine($"adit demo: {e.Message}");
            return ExitCode.Failure;
        }
    }
}
