using Adit.Cli.CommandLine;
using Adit.Ssh;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Cli.Commands;

/// <summary>What can be done with a private key file.</summary>
internal static class KeygenExistingKey
{
    private const string WhichFile = "Enter file in which the key is";

    /// <summary>-y</summary>
    public static async ValueTask<int> ShowPublicKeyAsync(KeygenOptions options, IKeygenDialog dialog)
    {
        string file = options.File ?? await KeygenFiles.AskAsync(WhichFile, null, dialog).ConfigureAwait(false);
        using var key = await KeygenPassphrase.OpenAsync(file, options.OldPassphrase, "Enter passphrase: ", dialog).ConfigureAwait(false);
        dialog.Write(key.PublicKey.ToText(PeerText.Escape(CommentOf(key, file))) + "\n");
        return ExitCode.Success;
    }

    /// <summary>-p</summary>
    public static async ValueTask<int> ChangePassphraseAsync(KeygenOptions options, IKeygenDialog dialog)
    {
        string file = options.File ?? await KeygenFiles.AskAsync(WhichFile, null, dialog).ConfigureAwait(false);
        using var key = await KeygenPassphrase.OpenAsync(file, options.OldPassphrase, "Enter old passphrase: ", dialog).ConfigureAwait(false);
        key.Comment = CommentOf(key, file);
        if (key.Comment.Length > 0 && !options.Quiet)
        {
            dialog.Write($"Key has comment '{PeerText.Escape(key.Comment)}'\n");
        }

        string passphrase = options.NewPassphrase
            ?? await KeygenPassphrase.AskNewAsync("Enter new passphrase (empty for no passphrase): ", dialog).ConfigureAwait(false);
        KeyFile.WritePrivateKey(file, key, passphrase, options.Rounds, overwrite: true);
        if (!options.Quiet)
        {
            dialog.Write("Your identification has been saved with the new passphrase.\n");
        }

        return ExitCode.Success;
    }

    /// <summary>-c</summary>
    public static async ValueTask<int> ChangeCommentAsync(KeygenOptions options, IKeygenDialog dialog)
    {
        string file = options.File ?? await KeygenFiles.AskAsync(WhichFile, null, dialog).ConfigureAwait(false);
        string? passphrase = options.OldPassphrase;
        if (KeyFile.IsEncrypted(file))
        {
            // The same one protects the file afterwards.
            passphrase ??= await dialog.AskSecretAsync("Enter passphrase: ").ConfigureAwait(false);
        }
        else
        {
            passphrase = null;
        }

        using var key = KeyFile.ReadPrivateKey(file, passphrase);
        string old = CommentOf(key, file);
        dialog.Write(old.Length > 0 ? $"Old comment: {PeerText.Escape(old)}\n" : "No existing comment\n");
        key.Comment = options.Comment ?? KeygenOptions.CheckedComment(await dialog.AskAsync("New comment: ").ConfigureAwait(false)
            ?? throw new KeygenRefusal("", ExitCode.Failure));
        KeyFile.WritePrivateKey(file, key, passphrase, options.Rounds, overwrite: true);
        KeyFile.WritePublicKey(file + ".pub", key.PublicKey, key.Comment, overwrite: true);
        dialog.Write($"Comment '{key.Comment}' applied\n");
        return ExitCode.Success;
    }

    /// <summary>The comment in the file, or where its format has none that of the .pub file beside it.</summary>
    private static string CommentOf(PrivateKey key, string file)
    {
        if (key.Comment.Length > 0)
        {
            return key.Comment;
        }

        try
        {
            return KeyFile.ReadPublicKey(file + ".pub", out string comment).Equals(key.PublicKey) ? comment : "";
        }
        catch (SshException)
        {
            return ""; // no such file, or it is something else
        }
    }
}
