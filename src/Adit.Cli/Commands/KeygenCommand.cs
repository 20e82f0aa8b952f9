using Adit.Cli.CommandLine;
using Adit.Ssh;
using Adit.Ssh.Wire;

namespace Adit.Cli.Commands;

/// <summary><c>adit keygen</c>: makes keys that OpenSSH reads, shows and changes those that OpenSSH made. Flags, questions and exit codes are
/// ssh-keygen's: 0, 1 for a command line that makes no sense or a question answered with no, 255 for everything that fails.</summary>
internal static class KeygenCommand
{
    public static async Task<int> RunAsync(string[] arguments)
    {
        using var dialog = new KeygenDialog();
        return await RunAsync(arguments, dialog).ConfigureAwait(false);
    }

    /// <summary>For tests: with somebody else to talk to.</summary>
    internal static async Task<int> RunAsync(string[] arguments, IKeygenDialog dialog)
    {
        try
        {
            var options = KeygenOptions.Parse(arguments);
            return await Perform(options, dialog).ConfigureAwait(false);
        }
        catch (UsageException e)
        {
            dialog.WriteError(e.Message.Length > 0 ? $"{e.Message}\n{KeygenHelp.Usage}" : KeygenHelp.Usage);
            return ExitCode.Failure;
        }
        catch (KeygenRefusal e)
        {
            dialog.WriteError(e.Message.Length > 0 ? e.Message + "\n" : "");
            return e.Code;
        }
        catch (SshException e)
        {
            dialog.WriteError(PeerText.Escape(e.Message, 8192, keepLines: true) + "\n");
            if (e.Hint is not null)
            {
                dialog.WriteError(PeerText.Escape(e.Hint, 8192, keepLines: true) + "\n");
            }

            return ExitCode.Ssh;
        }
    }

    private static ValueTask<int> Perform(KeygenOptions options, IKeygenDialog dialog) => options.Action switch
    {
        KeygenAction.Help => KeygenHelp.ShowAsync(dialog),
        KeygenAction.ShowFingerprints => KeygenFingerprints.RunAsync(options, dialog),
        KeygenAction.ShowPublicKey => KeygenExistingKey.ShowPublicKeyAsync(options, dialog),
        KeygenAction.ChangePassphrase => KeygenExistingKey.ChangePassphraseAsync(options, dialog),
        KeygenAction.ChangeComment => KeygenExistingKey.ChangeCommentAsync(options, dialog),
        KeygenAction.FindHost => KeygenKnownHosts.FindAsync(options, dialog),
        KeygenAction.RemoveHost => KeygenKnownHosts.RemoveAsync(options, dialog),
        _ => KeygenNewKey.RunAsync(options, dialog),
    };
}

/// <summary>The end of the run, with what to say about it.</summary>
internal sealed class KeygenRefusal(string message, int code = ExitCode.Ssh) : Exception(message)
{
    public int Code => code;
}
