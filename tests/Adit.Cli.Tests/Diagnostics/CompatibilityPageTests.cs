using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Tests.Diagnostics;

/// <summary>docs/compatibility.md says what the tables say.</summary>
public sealed class CompatibilityPageTests
{
    private static string Path { get; } = System.IO.Path.Combine(Root(), "docs", "compatibility.md");

    [Fact]
    public void The_page_in_the_repository_is_the_one_that_the_tables_give()
    {
        var page = CompatibilityPage.Write();
        if (Environment.GetEnvironmentVariable("ADIT_WRITE_DOCS") == "1")
        {
            File.WriteAllText(Path, page);
        }

        Assert.True(
            File.Exists(Path) && File.ReadAllText(Path) == page,
            "docs/compatibility.md is stale: run this test with ADIT_WRITE_DOCS=1 and commit what it writes");
    }

    [Fact]
    public void Every_flag_of_the_manual_has_one_row()
    {
        Assert.Equal(
            "1246ABCDEFGIJKLMNOPQRSTVWXYZabcefgiklmnopqstvwxy",
            string.Concat(SshFlags.All.Select(flag => flag.Letter).Order()));
        Assert.All(SshFlags.All, flag => Assert.True(flag.Keyword is null || SshConfigKeywords.Find(flag.Keyword) is not null, flag.Keyword));
    }

    [Fact]
    public void What_is_not_obeyed_has_a_reason()
    {
        Assert.All(SshFlags.All.Where(flag => flag.State != FlagState.Works), flag => Assert.False(string.IsNullOrEmpty(flag.Note), flag.Letter.ToString()));
        Assert.All(
            SshConfigKeywords.All.Where(row => row.Support is SshConfigSupport.WithoutEffect or SshConfigSupport.Refused),
            row => Assert.False(string.IsNullOrEmpty(row.Note), row.Name));
    }

    private static string Root()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "Adit.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("the tests do not run inside the repository");
    }
}
