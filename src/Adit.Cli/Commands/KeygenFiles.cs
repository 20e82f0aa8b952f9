using Adit.Ssh.Keys;

namespace Adit.Cli.Commands;

/// <summary>Which file is meant when none is named.</summary>
internal static class KeygenFiles
{
    public static string SshFolder => Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".ssh");

    /// <summary>Asks, with the usual file as the default.</summary>
    /// <param name="prompt">The question, without the default and the colon.</param>
    /// <param name="key">The key whose type names the default; null for ed25519.</param>
    /// <param name="dialog">Whom to ask.</param>
    public static async ValueTask<string> AskAsync(string prompt, PublicKey? key, IKeygenDialog dialog)
    {
        string usual = Path.Combine(SshFolder, key?.TypeName switch
        {
            "RSA" => "id_rsa",
            "ECDSA" => "id_ecdsa",
            _ => "id_ed25519",
        });
        string? answer = await dialog.AskAsync($"{prompt} ({usual}): ").ConfigureAwait(false);
        return answer switch
        {
            null => throw new KeygenRefusal("", CommandLine.ExitCode.Failure),
            "" => usual,
            _ => answer,
        };
    }
}
