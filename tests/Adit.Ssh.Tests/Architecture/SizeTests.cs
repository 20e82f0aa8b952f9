using System.Text.RegularExpressions;

namespace Adit.Ssh.Tests.Architecture;

/// <summary>A layer is a room you can hold in your head: no file over 600 lines, no class over 400, the parts of a partial one together.</summary>
public partial class SizeTests
{
    private const int MaxFileLines = 600;
    private const int MaxClassLines = 400;

    /// <summary>What one file has of a class, struct, record or interface.</summary>
    /// <param name="Type">The same for all parts of one type, and for nothing else.</param>
    private sealed record Part(string Type, string Place, int Lines);

    [Fact]
    public void NoFileIsTooLong()
    {
        var long_ = AllFiles().Where(file => File.ReadLines(file).Count() > MaxFileLines);
        Assert.Empty(long_);
    }

    [Fact]
    public void NoClassIsTooLong()
    {
        var offences = TooLong(AllFiles().SelectMany(file => PartsIn(Path.GetRelativePath(SourceTree.Root, file), File.ReadAllLines(file))), MaxClassLines);
        Assert.True(offences.Count == 0, string.Join('\n', offences));
    }

    [Fact]
    public void PartsOfOneClassCountTogether()
    {
        string[] first = ["namespace A.B;", "", "internal sealed partial class C : D", "{", "    int x;", "}"];
        string[] second = ["namespace A.B;", "", "internal readonly record struct P(", "    int X);", "", "internal sealed partial class C", "{", "}", "", "file class F", "{", "}"];
        string[] stranger = ["namespace A;", "", "class C", "{", "    int x;", "    int y;", "}", "", "file class F", "{", "}"];
        var parts = PartsIn("src/A/C.cs", first).Concat(PartsIn("src/A/C.More.cs", second)).Concat(PartsIn("src/A/Other.cs", stranger)).ToList();
        Assert.Equal([4, 2, 3, 3, 5, 3], parts.Select(part => part.Lines));
        Assert.Equal("C has 7 lines: src/A/C.cs:3 (4), src/A/C.More.cs:6 (3)", Assert.Single(TooLong(parts, 6)));
        Assert.Empty(TooLong(parts, 7));
    }

    private static List<string> TooLong(IEnumerable<Part> parts, int most) =>
    [
        .. parts.GroupBy(part => part.Type).Where(type => type.Sum(part => part.Lines) > most).Select(type =>
            $"{type.Key.Split(' ')[^1]} has {type.Sum(part => part.Lines)} lines: {string.Join(", ", type.Select(part => $"{part.Place} ({part.Lines})"))}"),
    ];

    /// <summary>The types that stand for themselves in one file. Those inside another count with it.</summary>
    private static IEnumerable<Part> PartsIn(string file, string[] lines)
    {
        string project = string.Join('/', file.Split(Path.DirectorySeparatorChar).Take(2)), space = "";
        for (int start = 0; start < lines.Length; start++)
        {
            if (lines[start].StartsWith("namespace ", StringComparison.Ordinal))
                space = lines[start].TrimEnd(';').Split(' ')[1];
            if (TopLevelType().Match(lines[start]) is not { Success: true } type)
                continue;
            // A body ends with a brace at the margin; a record need not have one.
            int end = Array.FindIndex(lines, start, line => line.StartsWith('{') || line.EndsWith(';'));
            if (lines[end].StartsWith('{'))
                end = Array.FindIndex(lines, end, line => line.StartsWith('}'));
            string owner = type.Groups["access"].Value == "file" ? file : $"{project} {space}";
            yield return new Part($"{owner} {type.Groups["name"].Value}", $"{file}:{start + 1}", end - start + 1);
        }
    }

    private static List<string> AllFiles()
    {
        var files = new[] { "src", "tests", "benchmarks" }.SelectMany(folder => SourceTree.Files(Path.Combine(SourceTree.Root, folder))).ToList();
        Assert.True(files.Count > 100, "the source tree was not found");
        return files;
    }

    [GeneratedRegex(@"^((?<access>public|internal|file)\s+)?((static|sealed|abstract|partial|readonly|ref|unsafe)\s+)*(class|record\s+struct|record\s+class|record|struct|interface)\s+(?<name>\w+(<[^>]*>)?)")]
    private static partial Regex TopLevelType();
}
