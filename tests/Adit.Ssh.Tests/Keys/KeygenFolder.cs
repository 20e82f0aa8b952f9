using System.Diagnostics;

namespace Adit.Ssh.Tests.Keys;

/// <summary>A folder of its own for one test, with OpenSSH's tools to fill it.</summary>
internal sealed class KeygenFolder : IDisposable
{
    public KeygenFolder() => Path = Directory.CreateTempSubdirectory("adit-keys-").FullName;

    public string Path { get; }

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public string Write(string name, string content, string mode = "600")
    {
        string path = File(name);
        System.IO.File.WriteAllText(path, content);
        SetMode(path, mode);
        return path;
    }

    /// <param name="path">The file.</param>
    /// <param name="mode">In octal, as for chmod.</param>
    public static void SetMode(string path, string mode)
    {
        if (!OperatingSystem.IsWindows())
            System.IO.File.SetUnixFileMode(path, (UnixFileMode)Convert.ToInt32(mode, 8));
    }

    /// <summary>The file's mode in octal.</summary>
    public static string ModeOf(string path) =>
        OperatingSystem.IsWindows() ? "600" : Convert.ToString((int)System.IO.File.GetUnixFileMode(path), 8);

    /// <summary>Runs ssh-keygen to make a key and returns its path.</summary>
    public string Generate(string name, params string[] arguments)
    {
        Run("ssh-keygen", ["-q", "-f", File(name), "-C", "somebody@example", .. arguments]);
        return File(name);
    }

    /// <summary>Runs a program in the folder and returns what it printed; its exit code must be zero.</summary>
    public string Run(string program, params string[] arguments)
    {
        var (code, output, error) = TryRun(program, arguments);
        Assert.True(code == 0, $"{program} {string.Join(' ', arguments)} exited with {code}: {output}{error}");
        return output;
    }

    public (int Code, string Output, string Error) TryRun(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = Path,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Remove("SSH_AUTH_SOCK");
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
