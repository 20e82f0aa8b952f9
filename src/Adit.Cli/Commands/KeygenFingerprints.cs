using System.Text;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Cli.Commands;

/// <summary>-l: fingerprints of whatever keys a file holds.</summary>
internal static class KeygenFingerprints
{
    public static string Of(PublicKey key, bool md5) => md5 ? key.FingerprintMd5 : key.Fingerprint;

    public static async ValueTask<int> RunAsync(KeygenOptions options, IKeygenDialog dialog)
    {
        string file = options.File ?? await KeygenFiles.AskAsync("Enter file in which the key is", null, dialog).ConfigureAwait(false);
        int shown = 0;
        foreach (var (key, comment) in Find(file, dialog))
        {
            shown++;
            string name = comment.Length > 0 ? PeerText.Escape(comment) : "no comment";
            dialog.Write($"{key.Bits} {Of(key, options.Md5)} {name} ({key.TypeName})\n");
            if (options.Verbose)
            {
                dialog.Write(KeygenRandomArt.Draw(key, options.Md5) + "\n");
            }
        }

        return shown > 0 ? ExitCode.Success : throw new KeygenRefusal($"{file} is not a public key file.");
    }

    private static IEnumerable<(PublicKey Key, string Comment)> Find(string file, IKeygenDialog dialog)
    {
        string text = file == "-" ? ReadAll(dialog.OpenInput()) : ReadFile(file);
        if (file != "-" && (text.Contains("PRIVATE KEY-----", StringComparison.Ordinal) || text.StartsWith("---- BEGIN SSH2", StringComparison.Ordinal)))
        {
            return [OfOneKey(file)];
        }

        return text.Split('\n').Select(FindInLine).OfType<(PublicKey, string)>();
    }

    /// <summary>The public half of a private key file: from the file, or else from the one beside it.</summary>
    private static (PublicKey Key, string Comment) OfOneKey(string file)
    {
        (PublicKey Key, string Comment)? beside = null;
        try
        {
            beside = (KeyFile.ReadPublicKey(file + ".pub", out string comment), comment);
        }
        catch (SshException)
        {
            // the file itself has to do
        }

        try
        {
            var key = KeyFile.ReadPublicKey(file, out string comment);
            return (key, comment.Length == 0 && beside is { } other && other.Key.PlainKey.Equals(key) ? other.Comment : comment);
        }
        catch (SshException e) when (e.Error == SshError.WrongPassphrase && beside is not null)
        {
            return beside.Value;
        }
    }

    /// <summary>A line of a .pub file, of authorized_keys or of known_hosts: the key may stand behind options, or behind a marker and host names.</summary>
    internal static (PublicKey Key, string Comment)? FindInLine(string line)
    {
        line = line.Trim();
        if (line.Length == 0 || line[0] == '#')
        {
            return null;
        }

        string before = "";
        for (int skipped = 0; ; skipped++)
        {
            if (TryParse(line, out string comment) is { } key)
            {
                return (key, comment.Length > 0 && comment[0] != '#' ? comment : before);
            }

            int end = EndOfWord(line);
            bool mayGoOn = skipped == 0 || (skipped == 1 && before.StartsWith('@'));
            if (end == line.Length || !mayGoOn)
            {
                return null;
            }

            before = line[..end];
            line = line[end..].TrimStart();
        }
    }

    /// <summary>Where the first blank outside of quotes is.</summary>
    private static int EndOfWord(string line)
    {
        bool quoted = false;
        for (int i = 0; i < line.Length; i++)
        {
            if (line[i] == '\\' && i + 1 < line.Length && line[i + 1] == '"')
            {
                i++;
            }
            else if (line[i] == '"')
            {
                quoted = !quoted;
            }
            else if (line[i] is ' ' or '\t' && !quoted)
            {
                return i;
            }
        }

        return line.Length;
    }

    private static PublicKey? TryParse(string text, out string comment)
    {
        try
        {
            return PublicKey.ParseText(text, out comment);
        }
        catch (SshException)
        {
            comment = "";
            return null;
        }
    }

    private static string ReadFile(string file)
    {
        try
        {
            using var stream = File.OpenRead(file);
            return ReadAll(stream);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KeygenRefusal($"{file}: {FileErrors.Describe(e)}");
        }
    }

    /// <summary>All of it, but no more than a large known_hosts file has.</summary>
    private static string ReadAll(Stream stream)
    {
        var buffer = new byte[64 * 1024];
        using var all = new MemoryStream();
        int count;
        while ((count = stream.Read(buffer)) > 0 && all.Length < 64 * 1024 * 1024)
        {
            all.Write(buffer, 0, count);
        }

        return Encoding.UTF8.GetString(all.GetBuffer(), 0, (int)all.Length);
    }
}
