namespace Adit.Interop.Tests.Configuration;

/// <summary><c>ssh -G</c> and <c>adit ssh -G</c> over the corpus: the same output, the same errors, the same exit code, but for what docs/compatibility.md lists.</summary>
public sealed class CorpusTests
{
    [Fact]
    public Task One_line_configurations() => Comparison.SameAsync(Cases.Lines("configurations.txt"), readBack: true);

    [Fact]
    public Task Configurations_of_several_lines_and_files() => Comparison.SameAsync(Cases.Files("files.txt"), readBack: true);

    [Fact]
    public Task Command_lines() => Comparison.SameAsync(Cases.CommandLines("commandlines.txt"));
}
