using Adit.Cli.CommandLine;

namespace Adit.Cli.Commands;

/// <summary><c>adit demo</c>: a server, a page and a tunnel on loopback.</summary>
internal static class DemoCommand
{
    public static Task<int> RunAsync(string[] arguments)
    {
        StandardStreams.WriteErrorLine("adit: the demo is not built yet");
        return Task.FromResult(ExitCode.Failure);
    }
}
