using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Completion;

/// <summary>The hosts that somebody may mean: those that the configuration names (Include too) and those in known_hosts that are not hashed.</summary>
internal static class KnownHostNames
{
    /// <summary>OpenSSH's own limit on files that include files.</summary>
    private const int MaxDepth = 16;

    /// <summary>So that a folder full of files does not make the Tab key wait.</summary>
    private const int MaxFiles = 256;

    /// <summary>Sorted, each once. Files that cannot be read have nothing to propose.</summary>
    /// <param name="home">The user's home folder.</param>
    /// <param name="system">Where the system's files are: /etc/ssh.</param>
    /// <param name="config">-F: a configuration file instead of both; "none" for no file.</param>
    public static IReadOnlyCollection<string> Find(string home, string system, string? config)
    {
        var names = new SortedSet<string>(StringComparer.OrdinalIgnoreCase);
        var user = Path.Combine(home, ".ssh");
        var budget = MaxFiles;
        if (config is null)
        {
            ReadConfig(Path.Combine(user, "config"), user, home, 0, ref budget, names);
            ReadConfig(Path.Combine(system, "ssh_config"), system, home, 0, ref budget, names);
        }
        else if (!config.Equals("none", StringComparison.OrdinalIgnoreCase))
        {
            ReadConfig(config, user, home, 0, ref budget, names);
        }

        foreach (var file in new[] { Path.Combine(user, "known_hosts"), Path.Combine(user, "known_hosts2"), Path.Combine(system, "ssh_known_hosts") })
        {
            ReadKnownHosts(file, names);
        }

        return names;
    }

    private static void ReadConfig(string file, string folder, string home, int depth, ref int budget, SortedSet<string> names)
    {
        if (depth > MaxDepth || budget-- <= 0)
        {
            return;
        }

        foreach (var line in Lines(file))
        {
            OpenSshLexer.SplitKeyword(line, out var keyword, out var rest);
            var isHost = keyword.Equals("Host", StringComparison.OrdinalIgnoreCase);
            if ((!isHost && !keyword.Equals("Include", StringComparison.OrdinalIgnoreCase)) || !OpenSshLexer.TrySplit(rest, comments: true, out var words))
            {
                continue;
            }

            foreach (var word in words)
            {
                if (isHost)
                {
                    Add(word, names);
                    continue;
                }

                var pattern = word.StartsWith("~/", StringComparison.Ordinal) ? Path.Combine(home, word[2..]) : Path.Combine(folder, word);
                foreach (var included in FileGlob.Expand(pattern))
                {
                    ReadConfig(included, folder, home, depth + 1, ref budget, names);
                }
            }
        }
    }

    /// <summary>The names of each line, "[host]:port" without its port; a hashed one begins with '|', a marker with '@'.</summary>
    private static void ReadKnownHosts(string file, SortedSet<string> names)
    {
        foreach (var line in Lines(file))
        {
            var words = line.Split((char[]?)null, 3, StringSplitOptions.RemoveEmptyEntries);
            if (words is [] or [['#' or '|', ..], ..] or ["@revoked", ..])
            {
                continue;
            }

            var list = words is [['@', ..], var behind, ..] ? behind : words[0];
            foreach (var name in list.Split(',', StringSplitOptions.RemoveEmptyEntries))
            {
                var end = name.IndexOf(']', StringComparison.Ordinal);
                Add(name[0] == '[' && end > 0 ? name[1..end] : name, names);
            }
        }
    }

    /// <summary>Patterns are no hosts, and a name that a shell could take for something else is not proposed.</summary>
    private static void Add(string name, SortedSet<string> names)
    {
        if (name.Length is > 0 and < 256 && name[0] is not '-' && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '-' or '_' or ':' or '%'))
        {
            names.Add(name);
        }
    }

    private static List<string> Lines(string file)
    {
        try
        {
            // Something that is no file, a pipe perhaps, would make the Tab key wait for ever.
            return new FileInfo(file) is { Exists: true } info && (info.Attributes & FileAttributes.Device) == 0 && info.Length < 1 << 24 ? [.. File.ReadLines(file)] : [];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
