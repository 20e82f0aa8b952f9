using System.Text.RegularExpressions;

namespace Adit.Ssh.Tests.Architecture;

/// <summary>A layer is a room you can hold in your head: no file over 600 lines, no class over 400.</summary>
public partial class SizeTests
{
    private const int MaxFileLines = 600;
    private const int MaxClassLines = 400;

    [Fact]
    public void NoFileIsTooLong()
    {
        var long_ = AllFiles().Where(file => File.ReadLines(file).Count() > MaxFileLines);
        Assert.Empty(long_);
    }

    [Fact]
    public void NoClassIsTooLong()
    {
        var offences = new List<string>();
        foreach (string file in AllFiles())
        {
            string[] lines = File.ReadAllLines(file);
            for (int start = 0; start < lines.Length; start++)
            {
                if (!TopLevelType().IsMatch(lines[start]))
                    continue;
                int end = Array.FindIndex(lines, start, line => line.StartsWith('}'));
                if (end - start > MaxClassLines)
                    offences.Add($"{file}:{start + 1} has {end - start + 1} lines");
            }
        }
        Assert.Empty(offences);
    }

    private static IEnumerable<string> AllFiles()
    {
        var files = new[] { "src", "tests", "bench" }.Select(folder => Path.Combine(SourceTree.Root, folder)).Where(Directory.Exists)
            .SelectMany(SourceTree.Files).ToList();
        Assert.True(files.Count > 100, "the source tree was not found");
        return files;
    }

    [GeneratedRegex(@"^(public|internal|file)?\s*((static|sealed|abstract|partial|readonly|ref)\s+)*(class|struct|record|interface)\b")]
    private static partial Regex TopLevelType();
}
