using Adit.Cli.CommandLine;

namespace Adit.Cli.Commands;

/// <summary><c>adit ssh</c>: the client, with ssh(1)'s flags.</summary>
internal static class SshCommand
{
    public static Task<int> RunAsync(string[] arguments)
    {
        StandardStreams.WriteErrorLine("adit: the client is not built yet");
        return Task.FromResult(ExitCode.Ssh);
    }
}
