using System.Diagnostics;

namespace Adit.Server.Tests.Support;

/// <summary>Runs a program to its end.</summary>
internal static class Commands
{
    /// <summary>Its standard output; fails the test when it fails.</summary>
    public static string Run(string program, params string[] arguments)
    {
        var (code, output, error) = TryRun(program, null, arguments);
        Assert.True(code == 0, $"{program} {string.Join(' ', arguments)}: exit {code}: {error}");
        return output;
    }

    public static (int ExitCode, string Output, string Error) TryRun(string program, string? input, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        process.StandardInput.Write(input ?? "");
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}
