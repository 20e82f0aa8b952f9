using System.Globalization;
using Adit.Cli.CommandLine;
using Adit.Ssh.Keys;

namespace Adit.Cli.Commands;

/// <summary>What keygen is to do.</summary>
internal enum KeygenAction
{
    Generate,
    ShowPublicKey,
    ShowFingerprints,
    ChangePassphrase,
    ChangeComment,
    FindHost,
    RemoveHost,
    Help,
}

/// <summary>keygen's command line.</summary>
internal sealed class KeygenOptions
{
    private const int MaxRounds = 4096;

    public KeygenAction Action { get; private set; }

    public string Type { get; private set; } = "ed25519";

    /// <summary>0: the type's default.</summary>
    public int Bits { get; private set; }

    public string? File { get; private set; }

    /// <summary>-F or -R: a host as known_hosts has it, "name" or "[name]:port".</summary>
    public string Host { get; private set; } = "";

    public string? Comment { get; private set; }

    /// <summary>-N; null: to be asked for.</summary>
    public string? NewPassphrase { get; private set; }

    /// <summary>-P; null: to be asked for.</summary>
    public string? OldPassphrase { get; private set; }

    public int Rounds { get; private set; } = KeyFile.DefaultRounds;

    public bool Md5 { get; private set; }

    public bool Quiet { get; private set; }

    public bool Verbose { get; private set; }

    /// <exception cref="UsageException">It makes no sense.</exception>
    public static KeygenOptions Parse(string[] arguments)
    {
        var options = new KeygenOptions();
        if (arguments.Contains("--help"))
        {
            options.Action = KeygenAction.Help;
            return options;
        }

        var flags = new OpenSshGetopt("lypcqvht:b:f:C:N:P:a:E:F:R:", arguments);
        while (flags.Read())
        {
            options.Take(flags.Flag, flags.Value ?? "");
        }

        if (flags.Error is not null)
        {
            throw new UsageException(flags.Error);
        }

        if (flags.Index < arguments.Length)
        {
            throw new UsageException("Too many arguments.");
        }

        return options;
    }

    private void Take(char flag, string value)
    {
        switch (flag)
        {
            case 'l':
                Choose(KeygenAction.ShowFingerprints);
                break;
            case 'y':
                Choose(KeygenAction.ShowPublicKey);
                break;
            case 'p':
                Choose(KeygenAction.ChangePassphrase);
                break;
            case 'c':
                Choose(KeygenAction.ChangeComment);
                break;
            case 'F':
                Choose(KeygenAction.FindHost);
                Host = value;
                break;
            case 'R':
                Choose(KeygenAction.RemoveHost);
                Host = value;
                break;
            case 'q':
                Quiet = true;
                break;
            case 'v':
                Verbose = true;
                break;
            case 't':
                Type = KeyType(value);
                break;
            case 'b':
                Bits = Number(value, 1, int.MaxValue) ?? throw new UsageException("Bits has bad value " + value);
                break;
            case 'f':
                File = value;
                break;
            case 'C':
                Comment = CheckedComment(value);
                break;
            case 'N':
                NewPassphrase = value;
                break;
            case 'P':
                OldPassphrase = value;
                break;
            case 'a':
                Rounds = Number(value, 1, MaxRounds) ?? throw new UsageException($"Invalid number: {value} (1 to {MaxRounds} rounds)");
                break;
            case 'E':
                Md5 = value.ToLowerInvariant() switch
                {
                    "md5" => true,
                    "sha256" => false,
                    _ => throw new UsageException("Invalid hash algorithm \"" + value + "\""),
                };
                break;
            default:
                throw UsageException.UsageOnly;
        }
    }

    private void Choose(KeygenAction action)
    {
        if (Action != KeygenAction.Generate && Action != action)
        {
            throw new UsageException("-l, -y, -p, -c, -F and -R do not go together.");
        }

        Action = action;
    }

    private static string KeyType(string value) => value.ToLowerInvariant() switch
    {
        "ed25519" or KeyAlgorithms.Ed25519 => "ed25519",
        "rsa" or KeyAlgorithms.Rsa or KeyAlgorithms.RsaSha256 or KeyAlgorithms.RsaSha512 => "rsa",
        "ecdsa" => "ecdsa",
        KeyAlgorithms.EcdsaNistP256 or KeyAlgorithms.EcdsaNistP384 or KeyAlgorithms.EcdsaNistP521 => value.ToLowerInvariant(),
        _ => throw new UsageException("unknown key type " + value),
    };

    /// <summary>A comment is the rest of a line: one with line breaks would become lines of its own in authorized_keys.</summary>
    internal static string CheckedComment(string comment) => comment.Any(char.IsControl)
        ? throw new UsageException("A comment has no control characters.")
        : comment.Trim();

    private static int? Number(string text, int min, int max) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= min && value <= max ? value : null;
}
