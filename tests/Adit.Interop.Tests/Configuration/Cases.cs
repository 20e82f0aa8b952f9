using System.Text;
using Adit.Interop.Tests.Harness;

namespace Adit.Interop.Tests.Configuration;

/// <summary>One configuration, or one command line, for both programs.</summary>
/// <param name="Place">Where it is written, for messages.</param>
/// <param name="Arguments">The words behind -G -F config; or the whole command line where there is no configuration.</param>
/// <param name="Config">The text of the configuration; null for none.</param>
/// <param name="Files">More files beside it.</param>
internal sealed record Case(string Place, IReadOnlyList<string> Arguments, string? Config, IReadOnlyList<(string Name, string Text)> Files);

/// <summary>Reads the corpus.</summary>
internal static class Cases
{
    /// <summary>A configuration per line.</summary>
    public static IEnumerable<Case> Lines(string name) => Read(name).Select(line =>
        new Case(line.Place, ["host"], line.Text.Replace("\\n", "\n").Replace("\\t", "\t").Replace("\\r", "\r"), []));

    /// <summary>A command line per line.</summary>
    public static IEnumerable<Case> CommandLines(string name) => Read(name).Select(line => new Case(line.Place, Split(line.Text), null, []));

    /// <summary>Configurations of several files.</summary>
    public static IEnumerable<Case> Files(string name)
    {
        var cases = new List<Case>();
        var files = new List<(string Name, StringBuilder Text)>();
        string place = "", arguments = "";
        void Finish()
        {
            if (files.Count > 0)
                cases.Add(new Case(place, Split(arguments), files[0].Text.ToString(), [.. files.Skip(1).Select(file => (file.Name, file.Text.ToString()))]));
            files.Clear();
        }

        int number = 0;
        foreach (string line in File.ReadAllLines(PathOf(name)))
        {
            number++;
            if (line.StartsWith("=== ", StringComparison.Ordinal))
            {
                Finish();
                (place, arguments) = ($"{name}:{number}", line[4..]);
                files.Add(("config", new StringBuilder()));
            }
            else if (line.StartsWith("--- ", StringComparison.Ordinal))
            {
                files.Add((line[4..], new StringBuilder()));
            }
            else if (files.Count > 0)
            {
                files[^1].Text.Append(line).Append('\n');
            }
        }

        Finish();
        return cases;
    }

    private static IEnumerable<(string Place, string Text)> Read(string name) => File.ReadAllLines(PathOf(name))
        .Select((text, index) => ($"{name}:{index + 1}", text))
        .Where(line => !line.text.StartsWith("# ", StringComparison.Ordinal));

    private static string PathOf(string name) => Path.Combine(Machine.Root, "tests", "Adit.Interop.Tests", "Configuration", "Corpus", name);

    /// <summary>Words, of which "…" keeps blanks together.</summary>
    private static List<string> Split(string text)
    {
        var words = new List<string>();
        StringBuilder? word = null;
        bool quoted = false;
        foreach (char c in text)
        {
            if (c == '"')
            {
                quoted = !quoted;
                word ??= new StringBuilder();
            }
            else if (c == ' ' && !quoted)
            {
                if (word is not null)
                    words.Add(word.ToString());
                word = null;
            }
            else
            {
                (word ??= new StringBuilder()).Append(c);
            }
        }

        if (word is not null)
            words.Add(word.ToString());
        return words;
    }
}
