using System.Globalization;

namespace Adit.Bench;

/// <summary>The command line.</summary>
internal sealed class Options
{
    public const string Usage = """
        usage: ./bench [--quick] [--only NAME[,NAME]] [--repeat N] [--json FILE] [--update] [--out FOLDER]
               ./bench --list | --render | --help
               ./bench micro [arguments of BenchmarkDotNet]

        Runs Adit's programs and OpenSSH's beside each other on loopback and prints medians and ratios.
        Without --only and --quick it also writes docs/performance.md with its plots and its results as JSON.

          --quick        about a minute: short windows, one round, small numbers; writes nothing
          --only A,B     only these cases (--list names them)
          --repeat N     how often the programs take turns in each case (3)
          --json FILE    writes the results there as well
          --update       with --only: takes the new results over into docs/performance/results.json and writes the page anew
          --out FOLDER   writes the page below FOLDER instead of docs
          --render       writes the page anew from results.json and notes.md, without measuring
          --list         names the cases
          micro          seals and opens packets, cipher by cipher (BenchmarkDotNet)

        ADIT_EXE names another executable than out/adit.
        """;

    public bool Quick { get; private set; }

    public bool Update { get; private set; }

    public bool List { get; private set; }

    public bool Render { get; private set; }

    public bool Help { get; private set; }

    public IReadOnlyList<string> Only { get; private set; } = [];

    public int? Repeat { get; private set; }

    public string? Json { get; private set; }

    public string? Out { get; private set; }

    /// <summary>Null, and what is wrong, when it cannot be understood.</summary>
    public static Options? Parse(string[] arguments, out string problem)
    {
        var options = new Options();
        var words = new Queue<string>(arguments);
        while (words.TryDequeue(out string? word))
        {
            string? value = null;
            if (word.IndexOf('=') is > 0 and var at)
                (word, value) = (word[..at], word[(at + 1)..]);
            bool understood = word switch
            {
                "--quick" => options.Quick = true,
                "--update" => options.Update = true,
                "--list" => options.List = true,
                "--render" => options.Render = true,
                "--help" or "-h" => options.Help = true,
                "--only" => Value() is { } names && (options.Only = [.. options.Only, .. names.Split(',', StringSplitOptions.RemoveEmptyEntries)]).Count > 0,
                "--repeat" => int.TryParse(Value(), CultureInfo.InvariantCulture, out int rounds) && rounds > 0 && (options.Repeat = rounds) > 0,
                "--json" => (options.Json = Value()) is not null,
                "--out" => (options.Out = Value()) is not null,
                _ => false,
            };
            if (!understood)
            {
                problem = $"cannot understand {word}";
                return null;
            }

            string? Value() => value ?? (words.TryDequeue(out string? next) ? next : null);
        }

        problem = "";
        return options;
    }
}
