using Adit.Cli.CommandLine;

namespace Adit.Cli.Commands;

/// <summary><c>adit keygen</c>: makes keys that OpenSSH reads.</summary>
internal static class KeygenCommand
{
    public static Task<int> RunAsync(string[] arguments)
    {
        StandardStreams.WriteErrorLine("adit: keygen is not built yet");
        return Task.FromResult(ExitCode.Ssh);
    }
}
