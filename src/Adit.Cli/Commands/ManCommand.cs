using Adit.Cli.CommandLine;
using Adit.Cli.Help;
using Adit.Ssh.Wire;

namespace Adit.Cli.Commands;

/// <summary><c>adit man</c>: prints the manual pages, of the same words as <c>--help</c>.</summary>
internal static class ManCommand
{
    private const string Usage =
        """
        usage: adit man [ssh | sshd | keygen | sshd_config]

        Prints a manual page in roff: adit man ssh | man -l -
        Without a name: that of adit itself.

        """;

    public static Task<int> RunAsync(string[] arguments)
    {
        if (arguments is ["--help" or "-h"])
        {
            StandardStreams.WriteOut(Usage);
            return Task.FromResult(ExitCode.Success);
        }

        var manual = arguments is [] ? Overview.Manual : arguments is [var name] ? Find(name) : null;
        if (manual is null)
        {
            StandardStreams.WriteErrorLine($"adit man: no page for {PeerText.Escape(string.Join(' ', arguments))}");
            StandardStreams.WriteError(Usage);
            return Task.FromResult(ExitCode.Usage);
        }

        StandardStreams.WriteOut(ManPage.Write(manual, Overview.Version));
        return Task.FromResult(ExitCode.Success);
    }

    /// <summary>By the command's name, or by the page's.</summary>
    internal static Manual? Find(string name) => name switch
    {
        "adit" => Overview.Manual,
        "ssh" or "adit-ssh" => SshHelp.Manual,
        "sshd" or "adit-sshd" => SshdCommandHelp.Manual,
        "keygen" or "adit-keygen" => KeygenHelp.Manual,
        "sshd_config" or "adit-sshd_config" => SshdConfigHelp.Manual,
        _ => null,
    };
}
