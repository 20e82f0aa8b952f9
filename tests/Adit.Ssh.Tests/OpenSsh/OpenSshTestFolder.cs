using System.Diagnostics;
using System.Runtime.Versioning;
using Adit.Ssh.Keys;

// The tests set and read Unix file modes.
[assembly: UnsupportedOSPlatform("windows")]

namespace Adit.Ssh.Tests.OpenSsh;

/// <summary>A temporary folder with the files of one test.</summary>
public sealed class OpenSshTestFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("adit-formats-").FullName;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public string Write(string name, string text, string mode = "0600")
    {
        File.WriteAllText(this[name], text);
        File.SetUnixFileMode(this[name], (UnixFileMode)Convert.ToInt32(mode, 8));
        return this[name];
    }

    public string Read(string name) => File.ReadAllText(this[name]);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

/// <summary>Keys that the tests share, made once.</summary>
internal static class TestKeys
{
    public static PublicKey Ed25519 { get; } = PrivateKey.Generate("ed25519").PublicKey;

    public static PublicKey OtherEd25519 { get; } = PrivateKey.Generate("ed25519").PublicKey;

    public static PublicKey Ecdsa { get; } = PrivateKey.Generate("ecdsa").PublicKey;

    public static PublicKey Rsa { get; } = PrivateKey.Generate("rsa", 2048).PublicKey;
}

/// <summary>Runs OpenSSH's own tools.</summary>
internal static class Tool
{
    public static bool Has(string name) => File.Exists("/usr/bin/" + name);

    public static (int ExitCode, string Output, string Error) Run(string name, params string[] arguments)
    {
        var start = new ProcessStartInfo("/usr/bin/" + name, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        start.Environment["LC_ALL"] = "C";
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}

/// <summary>A test that needs one of OpenSSH's tools and is skipped where it is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ToolFactAttribute : FactAttribute
{
    public ToolFactAttribute(string tool)
    {
        if (!Tool.Has(tool))
            Skip = $"{tool} is not installed";
    }
}

/// <inheritdoc cref="ToolFactAttribute"/>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ToolTheoryAttribute : TheoryAttribute
{
    public ToolTheoryAttribute(string tool)
    {
        if (!Tool.Has(tool))
            Skip = $"{tool} is not installed";
    }
}
