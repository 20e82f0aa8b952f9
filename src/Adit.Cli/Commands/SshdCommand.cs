using Adit.Cli.CommandLine;

namespace Adit.Cli.Commands;

/// <summary><c>adit sshd</c>: the server, with sshd(8)'s flags.</summary>
internal static class SshdCommand
{
    public static Task<int> RunAsync(string[] arguments)
    {
        StandardStreams.WriteErrorLine("adit: the server is not built yet");
        return Task.FromResult(ExitCode.Ssh);
    }
}
