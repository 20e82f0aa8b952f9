using System.Text;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Configuration;

/// <summary>Reads sshd_config(5) in the order of precedence: options of the command line first, then the file. Bad lines are logged one by one; the file as a
/// whole is then refused. One use.</summary>
public sealed class SshdConfigReader(ILogger logger)
{
    private const int MaxIncludeDepth = 16;
    private const int MaxFiles = 1024;
    private const int MaxFileSize = 16 * 1024 * 1024;

    private readonly List<SshdDirective> _directives = [];
    private bool _portsFromCommandLine;
    private int _files;

    /// <summary>Where relative Include paths begin.</summary>
    public string IncludeRoot { get; init; } = "/etc/ssh";

    /// <summary>sshd's -o: one line with the highest precedence. False when it is bad (and logged); throws <see cref="SshException"/> for a bad value.</summary>
    public bool AddOption(string line) => ReadLine(line, new Source("command-line", 0, null));

    /// <summary>sshd's -p: replaces every Port of the file.</summary>
    public void AddPort(int port)
    {
        _portsFromCommandLine = true;
        _directives.Add(new SshdDirective(SshdKeywords.Port, (IReadOnlyList<int>)[port], null));
    }

    /// <summary>Sets a keyword ahead of the file, for a flag that stands for it.</summary>
    public void Add<T>(SshdKeyword<T> keyword, T value)
        where T : notnull => _directives.Add(new SshdDirective(keyword, value, null));

    /// <summary>Reads a file. Throws <see cref="SshException"/>.</summary>
    public void ReadFile(string path) => ReadText(ReadAll(path), new Source(path, 0, null));

    /// <summary>Reads the text of a file called <paramref name="name"/>. Throws <see cref="SshException"/>.</summary>
    public void ReadText(string text, string name) => ReadText(text, new Source(name, 0, null));

    public SshdConfig Build() => new([.. _directives]);

    private void ReadText(string text, Source source)
    {
        var bad = 0;
        foreach (var line in text.AsSpan().Split('\n'))
        {
            source.Line++;
            if (!ReadLine(text.AsSpan(line), source))
            {
                bad++;
            }
        }

        if (bad > 0)
        {
            throw new SshException(SshError.Configuration, $"{source.File}: terminating, {bad} bad configuration options");
        }
    }

    private bool ReadLine(ReadOnlySpan<char> line, Source source)
    {
        if (line.Contains('\0'))
        {
            return Bad($"{source.At}: NUL character");
        }

        OpenSshLexer.SplitKeyword(line, out var keyword, out var rest);
        if (keyword.Length == 0)
        {
            // A line that is neither blank nor a comment but has no keyword may have been meant to forbid something.
            var text = line.Trim(" \t\f\r");
            return text.IsEmpty || text[0] == '#' || Bad($"{source.File}: line {source.Line}: Bad configuration option: {Shown(text.ToString())}");
        }

        if (rest.IsEmpty)
        {
            return Bad($"{source.At}: no argument after keyword \"{Shown(keyword)}\"");
        }

        var isMatch = keyword.Equals("Match", StringComparison.OrdinalIgnoreCase);
        var isInclude = keyword.Equals("Include", StringComparison.OrdinalIgnoreCase);
        var row = SshdKeywordTable.Find(keyword);
        if (row is null && !isMatch && !isInclude)
        {
            Bad($"{source.File}: line {source.Line}: Bad configuration option: {Shown(keyword)}");
        }

        // A line whose quotes do not close is wrong, whoever would read it without looking at quotes.
        if (!OpenSshLexer.TrySplit(rest, comments: true, out var words))
        {
            return Bad($"{source.At}: invalid quotes");
        }

        return isMatch ? OpenBlock(keyword, words, source)
            : isInclude ? Include(keyword, words, source)
            : row is not null && ReadDirective(row, keyword, row.TakesRestOfLine ? [rest.ToString()] : words, source);
    }

    private bool ReadDirective(SshdKeyword row, string keyword, IReadOnlyList<string> words, Source source)
    {
        if (source.Block is not null && !row.InMatch && row.Support is not (KeywordSupport.Deprecated or KeywordSupport.Unsupported))
        {
            throw new SshException(SshError.Configuration, $"{source.At}: Directive '{Shown(keyword)}' is not allowed within a Match block");
        }

        var arguments = new SshdArguments(keyword, words, source.File, source.Line);
        var value = row.Read(arguments);
        if (!arguments.AtEnd)
        {
            return Bad($"{source.At}: keyword {Shown(keyword)} extra arguments at end of line");
        }

        switch (row.Support)
        {
            case KeywordSupport.RefusedYet:
                if (!IsHarmless(row, words) && row.Refusal is { } refusal)
                {
                    throw arguments.Error(refusal, $"{row.Name} restricts access, and a server without it would let in more than the file says.");
                }

                return IsHarmless(row, words) || BadYet(keyword, source);
            case KeywordSupport.NoEffect:
                if (row.Warning is { } warning && !IsHarmless(row, words))
                {
                    logger.LogInformation("{At}: {Keyword} {Value} has no effect: {Warning}", source.At, row.Name, Shown(string.Join(' ', words)), warning);
                }

                AddDirective(row, value, source);
                break;
            case KeywordSupport.Deprecated when row == SshdKeywordTable.Protocol:
                break; // there is one version only, and half of the world's files say so
            case KeywordSupport.Unsupported when IsHarmless(row, words):
                break;
            case KeywordSupport.Unsupported or KeywordSupport.Deprecated:
                logger.LogInformation("{At}: {Kind} option {Keyword}", source.At, row.Support, row.Name);
                break;
            default:
                if (source.Block is not null && row.RefusedInMatchYet)
                {
                    return BadYet($"{keyword} in a Match block", source);
                }

                AddDirective(row, value, source);
                break;
        }

        return true;
    }

    private void AddDirective(SshdKeyword row, object value, Source source)
    {
        if (row == SshdKeywords.Port && _portsFromCommandLine)
        {
            return;
        }

        if (value is AlgorithmList { Skipped: [_, ..] skipped })
        {
            logger.LogInformation("{At}: not available here and left out: {Names}", source.At, string.Join(',', skipped));
        }

        _directives.Add(new SshdDirective(row, value, source.Block));
    }

    private static bool OpenBlock(string keyword, IReadOnlyList<string> words, Source source)
    {
        var arguments = new SshdArguments(keyword, words, source.File, source.Line);
        source.Block = source.Line == 0
            ? throw arguments.Error("Match is not allowed here", "Match blocks can only stand in a file.")
            : MatchBlock.Read(arguments, source.Parent);
        return true;
    }

    private bool Include(string keyword, List<string> words, Source source)
    {
        if (words.Count == 0)
        {
            throw new SshException(SshError.Configuration, $"{source.At}: {Shown(keyword)} missing filename argument");
        }

        if (source.Depth >= MaxIncludeDepth)
        {
            throw new SshException(SshError.Configuration, "Too many recursive configuration includes") { Hint = $"{source.At}: does the file include itself?" };
        }

        foreach (var word in words)
        {
            if (word.Length == 0)
            {
                return Bad($"{source.At}: keyword {Shown(keyword)} empty argument");
            }

            var files = FileGlob.Expand(Path.Combine(IncludeRoot, word));
            if (files.Count == 0)
            {
                logger.LogTrace("{At}: no match for {Pattern}", source.At, Shown(word));
            }

            foreach (var file in files)
            {
                logger.LogTrace("{At}: including {File}", source.At, file);
                ReadText(ReadAll(file), new Source(file, source.Depth + 1, source.Block));
            }
        }

        return true;
    }

    private string ReadAll(string path)
    {
        if (++_files > MaxFiles)
        {
            throw new SshException(SshError.Configuration, $"{path}: more than {MaxFiles} configuration files") { Hint = "Does a file include itself?" };
        }

        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var content = new MemoryStream();
            var buffer = new byte[16 * 1024];
            for (int read; (read = file.Read(buffer)) > 0;)
            {
                content.Write(buffer, 0, read);
                if (content.Length > MaxFileSize)
                {
                    throw new SshException(SshError.Configuration, $"{path}: file too large") { Hint = "A configuration may have 16 MiB." };
                }
            }

            return Encoding.UTF8.GetString(content.GetBuffer().AsSpan(0, (int)content.Length));
        }
        catch (Exception error) when (error is IOException and not SshException or UnauthorizedAccessException)
        {
            var reason = Directory.Exists(path) ? "Is a directory" : FileErrors.Describe(error); // which .NET calls denied
            throw new SshException(SshError.FileAccess, $"{path}: {reason}", error);
        }
    }

    private static bool IsHarmless(SshdKeyword row, IReadOnlyList<string> words) =>
        words is [var only] && row.HarmlessValues.Contains(only, StringComparer.OrdinalIgnoreCase);

    private bool BadYet(string keyword, Source source) =>
        Bad($"{source.File}: line {source.Line}: {Shown(keyword)} is not supported yet. It restricts access, so Adit does not run without it; removing the line gives that restriction up.");

    private bool Bad(string line)
    {
        logger.LogError("{Line}", line);
        return false;
    }

    private static string Shown(string text) => PeerText.Escape(text, 100);

    /// <summary>A file being read.</summary>
    private sealed class Source(string file, int depth, MatchBlock? parent)
    {
        public string File { get; } = file;

        public int Depth { get; } = depth;

        /// <summary>The block that the Include line stands in.</summary>
        public MatchBlock? Parent { get; } = parent;

        /// <summary>The block that holds now. What a file opens ends with it.</summary>
        public MatchBlock? Block { get; set; } = parent;

        public int Line { get; set; }

        public string At => $"{File} line {Line}";
    }
}
