using Adit.Cli.CommandLine;
using Adit.Cli.Completion;

namespace Adit.Cli.Commands;

/// <summary><c>adit completion</c>: prints the scripts that shells complete by, and for these the hosts.</summary>
internal static class CompletionCommand
{
    private const string Usage =
        """
        usage: adit completion bash | zsh | fish

        Prints a script that completes commands, flags, hosts and files.

          bash:  adit completion bash >~/.local/share/bash-completion/completions/adit
          zsh:   adit completion zsh >~/.zfunc/_adit        (with fpath+=(~/.zfunc) before compinit)
          fish:  adit completion fish >~/.config/fish/completions/adit.fish

        "adit completion hosts [-F config_file]" prints the hosts that the scripts propose.

        """;

    public static Task<int> RunAsync(string[] arguments)
    {
        switch (arguments)
        {
            case ["--help" or "-h"]:
                StandardStreams.WriteOut(Usage);
                return Task.FromResult(ExitCode.Success);
            case ["hosts"]:
                return Hosts(null);
            case ["hosts", "-F", var file]:
                return Hosts(file);
            case [var shell] when CompletionScripts.For(shell) is { } script:
                StandardStreams.WriteOut(script);
                return Task.FromResult(ExitCode.Success);
            default:
                StandardStreams.WriteError(Usage);
                return Task.FromResult(ExitCode.Usage);
        }
    }

    private static Task<int> Hosts(string? config)
    {
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        StandardStreams.WriteOut(string.Concat(KnownHostNames.Find(home, "/etc/ssh", config).Select(name => name + "\n")));
        return Task.FromResult(ExitCode.Success);
    }
}
