using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Ssh.Keys;

namespace Adit.Cli.Commands;

/// <summary>Makes a key pair.</summary>
internal static class KeygenNewKey
{
    public static async ValueTask<int> RunAsync(KeygenOptions options, IKeygenDialog dialog)
    {
        using var key = PrivateKey.Generate(options.Type, options.Bits);
        if (!options.Quiet)
        {
            dialog.Write($"Generating public/private {ShortType(options.Type)} key pair.\n");
        }

        string file = options.File ?? await KeygenFiles.AskAsync("Enter file in which to save the key", key.PublicKey, dialog).ConfigureAwait(false);
        CreateFolder(file, options, dialog);
        bool overwrite = File.Exists(file);
        if (overwrite)
        {
            await ConfirmOverwriteAsync(file, dialog).ConfigureAwait(false);
        }

        string passphrase = options.NewPassphrase
            ?? await KeygenPassphrase.AskNewAsync($"Enter passphrase for \"{file}\" (empty for no passphrase): ", dialog).ConfigureAwait(false);
        key.Comment = options.Comment ?? $"{Environment.UserName}@{Environment.MachineName}";
        KeyFile.WritePrivateKey(file, key, passphrase, options.Rounds, overwrite);
        KeyFile.WritePublicKey(file + ".pub", key.PublicKey, key.Comment, overwrite: true);
        if (!options.Quiet)
        {
            dialog.Write($"Your identification has been saved in {file}\n");
            dialog.Write($"Your public key has been saved in {file}.pub\n");
            dialog.Write($"The key fingerprint is:\n{KeygenFingerprints.Of(key.PublicKey, options.Md5)} {key.Comment}\n");
            dialog.Write($"The key's randomart image is:\n{KeygenRandomArt.Draw(key.PublicKey, options.Md5)}\n");
        }

        return ExitCode.Success;
    }

    private static string ShortType(string type) => type.StartsWith("ecdsa", StringComparison.Ordinal) ? "ecdsa" : type;

    private static async ValueTask ConfirmOverwriteAsync(string file, IKeygenDialog dialog)
    {
        dialog.Write($"{file} already exists.\n");
        string? answer = await dialog.AskAsync("Overwrite (y/n)? ").ConfigureAwait(false);
        if (answer is not ['y' or 'Y', ..])
        {
            throw new KeygenRefusal("", ExitCode.Failure);
        }
    }

    /// <summary>~/.ssh is made where it is missing; another folder has to be there.</summary>
    private static void CreateFolder(string file, KeygenOptions options, IKeygenDialog dialog)
    {
        string? folder = Path.GetDirectoryName(Path.GetFullPath(file));
        if (folder != KeygenFiles.SshFolder || Directory.Exists(folder))
        {
            return;
        }

        try
        {
            if (OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(folder);
            }
            else
            {
                Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KeygenRefusal($"Could not create directory '{folder}' ({FileErrors.Describe(e)}).");
        }

        if (!options.Quiet)
        {
            dialog.Write($"Created directory '{folder}'.\n");
        }
    }
}
