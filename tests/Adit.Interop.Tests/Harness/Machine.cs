using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Adit.Interop.Tests.Harness;

/// <summary>The machine that the tests run on: who we are, what is installed, where the program under test is.</summary>
internal static partial class Machine
{
    private static readonly ConcurrentDictionary<string, string?> Tools = new(StringComparer.Ordinal);

    public static bool IsRoot { get; } = EffectiveUserId() == 0;

    public static string UserName { get; } = Environment.UserName;

    /// <summary>The repository's root folder.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The program under test: <c>out/adit</c> as ./test built it, or what ADIT_EXE names.</summary>
    public static string Adit { get; } =
        Environment.GetEnvironmentVariable("ADIT_EXE") is { Length: > 0 } other ? Path.GetFullPath(other) : Path.Combine(Root, "out", "adit");

    /// <summary>Whether that is machine code as a whole, which needs no runtime: what ./adit says it built.</summary>
    public static bool IsNative { get; } = File.Exists(Path.Combine(Path.GetDirectoryName(Adit)!, ".kind")) && File.ReadAllText(Path.Combine(Path.GetDirectoryName(Adit)!, ".kind")).Trim() == "aot";

    public static string Tool(string name)
    {
        Need.Tools(name);
        return FindTool(name)!;
    }

    public static string? FindTool(string name) => Tools.GetOrAdd(name, static wanted =>
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Concat(["/usr/sbin", "/sbin", "/usr/local/sbin"]);
        if (wanted is "initdb" or "postgres" or "pgbench" && Directory.Exists("/usr/lib/postgresql"))
        {
            folders = folders.Concat(Directory.GetDirectories("/usr/lib/postgresql").Select(version => Path.Combine(version, "bin")));
        }

        return folders.Where(folder => folder.Length > 0).Select(folder => Path.Combine(folder, wanted)).FirstOrDefault(File.Exists);
    });

    /// <summary>A Python that can import <paramref name="module"/>; the system's own first, since apt installs modules for that one.</summary>
    public static string Python(string module)
    {
        string? found = Tools.GetOrAdd("python with " + module, _ =>
            new[] { "/usr/bin/python3", FindTool("python3") }.OfType<string>().Where(File.Exists).FirstOrDefault(python =>
                ManagedProcess.RunAsync("python", python, ["-W", "ignore", "-c", "import " + module], TimeSpan.FromSeconds(30)).GetAwaiter().GetResult().ExitCode == 0));
        Need.That(found is not null, "python3 with " + module);
        return found!;
    }

    public static string Here(string relativePath) => Path.Combine(AppContext.BaseDirectory, relativePath);

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Adit.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("the tests do not run inside the repository");
    }

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint EffectiveUserId();
}
