using Adit.Ssh.Keys;

namespace Adit.Cli.Commands;

/// <summary>Asks for passphrases.</summary>
internal static class KeygenPassphrase
{
    /// <summary>Asks for a new passphrase until it was typed the same way twice.</summary>
    public static async ValueTask<string> AskNewAsync(string prompt, IKeygenDialog dialog)
    {
        while (true)
        {
            string first = await AskAsync(prompt, dialog).ConfigureAwait(false);
            string second = await AskAsync("Enter same passphrase again: ", dialog).ConfigureAwait(false);
            if (first == second)
            {
                return first;
            }

            dialog.Write("Passphrases do not match.  Try again.\n");
        }
    }

    /// <summary>Reads a private key, with the passphrase of -P or one that is asked for where it needs one.</summary>
    public static async ValueTask<PrivateKey> OpenAsync(string file, string? given, string prompt, IKeygenDialog dialog)
    {
        bool encrypted = KeyFile.IsEncrypted(file);
        string? passphrase = encrypted ? given ?? await AskAsync(prompt, dialog).ConfigureAwait(false) : null;
        return KeyFile.ReadPrivateKey(file, passphrase);
    }

    private static async ValueTask<string> AskAsync(string prompt, IKeygenDialog dialog) =>
        await dialog.AskSecretAsync(prompt).ConfigureAwait(false)
        ?? throw new KeygenRefusal("There is no terminal to ask for the passphrase; give it with -N (new) or -P (existing), or set SSH_ASKPASS.");
}
