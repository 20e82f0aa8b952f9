using Adit.Interop.Tests.Harness;

namespace Adit.Interop.Tests.Packaging;

/// <summary>Formatters read the manual pages without complaint.</summary>
public sealed class ManPageTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    public static TheoryData<string, string> Pages { get; } = new()
    {
        { "adit", "adit.1" },
        { "ssh", "adit-ssh.1" },
        { "sshd", "adit-sshd.8" },
        { "keygen", "adit-keygen.1" },
        { "sshd_config", "adit-sshd_config.5" },
    };

    [Theory]
    [MemberData(nameof(Pages))]
    public async Task MandocHasNothingToSay(string name, string file)
    {
        Need.Tools("mandoc");
        using var folder = new TempFolder();
        var page = await WriteAsync(folder, name, file);
        var lint = await ManagedProcess.RunAsync("mandoc", Machine.Tool("mandoc"), ["-T", "lint", page], Deadline);
        Assert.Equal("", lint.Output + lint.Errors);
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public async Task ManHasNothingToSay(string name, string file)
    {
        Need.Tools("man", "groff");
        using var folder = new TempFolder();
        var page = await WriteAsync(folder, name, file);
        var man = await ManagedProcess.RunAsync("man", Machine.Tool("man"), ["--warnings", "-E", "UTF-8", "-l", "-Tutf8", page], Deadline,
            new Dictionary<string, string?> { ["LC_ALL"] = "C.UTF-8", ["MANWIDTH"] = "80", ["MANPAGER"] = "cat" });
        Assert.Equal("", man.Errors);
        Assert.Equal(0, man.ExitCode);
        Assert.Contains("Adit", man.Output, StringComparison.Ordinal);
    }

    private static async Task<string> WriteAsync(TempFolder folder, string name, string file)
    {
        var result = await ManagedProcess.RunAsync("adit", Machine.Adit, ["man", name], Deadline);
        Assert.Equal(0, result.ExitCode);
        return folder.Write(file, result.Output);
    }
}
