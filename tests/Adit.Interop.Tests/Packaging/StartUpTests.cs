using System.Text.RegularExpressions;
using Adit.Interop.Tests.Harness;

namespace Adit.Interop.Tests.Packaging;

/// <summary>What a start costs is what it loads: the libraries of short commands are counted, since times on a busy machine say little.</summary>
public sealed partial class StartUpTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    /// <summary>What a command that only prints has no use for.</summary>
    private static readonly string[] Heavy =
        ["Adit.Server", "Microsoft.Extensions", "Spectre", "System.CommandLine", "System.Net.Sockets", "System.Net.Primitives", "System.Console", "System.Text.RegularExpressions",
            "System.Private.Uri", "System.Diagnostics.Process", "libcrypto", "libssl", "libcrypt.so"];

    [Theory]
    [InlineData("-V")]
    [InlineData("ssh -V")]
    [InlineData("--version")]
    [InlineData("--help")]
    [InlineData("-Q cipher")]
    [InlineData("-Q mac")]
    [InlineData("-Q key")]
    [InlineData("completion hosts")]
    public async Task LoadsOnlyWhatItUses(string line)
    {
        var loaded = await LoadedAsync(line.Split(' '));
        Assert.Contains(loaded, file => file.StartsWith(Machine.IsNative ? "libc.so" : "adit.dll", StringComparison.Ordinal)); // the trace has what is loaded at all
        Assert.DoesNotContain(loaded, file => Heavy.Any(heavy => file.StartsWith(heavy, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task PrintingTheConfigurationLoadsNoServerAndNoSockets()
    {
        var loaded = await LoadedAsync(["ssh", "-F", "none", "-G", "host.example"]);
        Assert.DoesNotContain(loaded, file => file.StartsWith("Adit.Server", StringComparison.Ordinal)
            || file.StartsWith("System.Net.Sockets", StringComparison.Ordinal)
            || file.StartsWith("libcrypto", StringComparison.Ordinal)
            || file.StartsWith("System.Console", StringComparison.Ordinal)
            || file.StartsWith("System.Text.RegularExpressions", StringComparison.Ordinal));
    }

    /// <summary>The libraries that a run opened, by strace.</summary>
    private static async Task<IReadOnlyCollection<string>> LoadedAsync(string[] arguments)
    {
        Need.Tools("strace");
        using var folder = new TempFolder();
        var trace = folder["trace"];
        var result = await ManagedProcess.RunAsync("strace", Machine.Tool("strace"), ["-f", "-qq", "-e", "trace=openat,open", "-o", trace, Machine.Adit, .. arguments], Deadline);
        Need.That(!result.Errors.Contains("ptrace", StringComparison.Ordinal), "leave to trace processes");
        Assert.Equal(0, result.ExitCode);

        // The starter reads the list of what there is, and looks whether it is there, without opening it.
        return [.. (await File.ReadAllLinesAsync(trace)).Select(line => Opened().Match(line)).Where(match => match.Success).Select(match => Path.GetFileName(match.Groups[1].Value)).Distinct()];
    }

    [GeneratedRegex("open(?:at)?\\(.*\"([^\"]+\\.(?:dll|so)[^\"]*)\".*\\) = [0-9]+")]
    private static partial Regex Opened();
}
