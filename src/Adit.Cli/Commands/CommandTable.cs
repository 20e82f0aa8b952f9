namespace Adit.Cli.Commands;

/// <summary>A sub-command. The delegate names its class without loading it: a run pays only for the command it uses.</summary>
internal sealed record Command(string Name, Func<string[], Task<int>> RunAsync);

/// <summary>The sub-commands, and the nearest one to a word that is none.</summary>
internal static class CommandTable
{
    public static Command? Find(string name) => name switch
    {
        "ssh" => new(name, arguments => SshCommand.RunAsync(arguments)),
        "sshd" => new(name, arguments => SshdCommand.RunAsync(arguments)),
        "keygen" => new(name, KeygenCommand.RunAsync),
        "demo" => new(name, DemoCommand.RunAsync),
        SessionStartCommand.Name => new(name, SessionStartCommand.RunAsync), // in no list: it is for the server's own use
        "completion" => new(name, CompletionCommand.RunAsync),
        "man" => new(name, ManCommand.RunAsync),
        _ => null,
    };

    public static IReadOnlyList<string> Names { get; } = ["ssh", "sshd", "keygen", "demo", "completion", "man", "help", "version"];

    /// <summary>The command somebody who typed <paramref name="word"/> probably meant, or null when none is close.</summary>
    public static string? Nearest(string word)
    {
        string? best = null;
        var bestDistance = 3;
        foreach (var name in Names)
        {
            var distance = name.StartsWith(word, StringComparison.OrdinalIgnoreCase) && word.Length > 0 ? 1 : Distance(word, name);
            if (distance < bestDistance && distance < name.Length)
            {
                (best, bestDistance) = (name, distance);
            }
        }

        return best;
    }

    /// <summary>Levenshtein's distance, ignoring case. Words far longer than any command are not measured.</summary>
    private static int Distance(string left, string right)
    {
        if (left.Length > 16)
        {
            return int.MaxValue;
        }

        Span<int> row = stackalloc int[right.Length + 1];
        for (var column = 0; column <= right.Length; column++)
        {
            row[column] = column;
        }

        for (var line = 1; line <= left.Length; line++)
        {
            var diagonal = row[0];
            row[0] = line;
            for (var column = 1; column <= right.Length; column++)
            {
                var same = char.ToLowerInvariant(left[line - 1]) == char.ToLowerInvariant(right[column - 1]);
                var cost = Math.Min(Math.Min(row[column] + 1, row[column - 1] + 1), diagonal + (same ? 0 : 1));
                (diagonal, row[column]) = (row[column], cost);
            }
        }

        return row[right.Length];
    }
}
