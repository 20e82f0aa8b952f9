using Adit.Interop.Tests.Harness;

namespace Adit.Interop.Tests.Authentication;

/// <summary>A service of PAM's of a test's own, in /etc/pam.d, removed with it.</summary>
internal sealed class PamService : IAsyncDisposable
{
    private static int s_count;

    private readonly string _file;

    private PamService(string name) => (Name, _file) = (name, "/etc/pam.d/" + name);

    public string Name { get; }

    /// <summary>sshd_config lines for it.</summary>
    public string[] Lines => ["UsePAM yes", $"PAMServiceName {Name}"];

    /// <param name="rules">Its lines. Facilities that have none are permitted everything.</param>
    public static PamService Create(params string[] rules)
    {
        Need.Root();
        Need.That(Directory.Exists("/etc/pam.d"), "PAM");
        var service = new PamService($"adit-test-{Environment.ProcessId}-{Interlocked.Increment(ref s_count)}");
        string[] facilities = ["auth", "account", "session", "password"];
        File.WriteAllLines(service._file, [.. rules, .. facilities.Where(kind => !rules.Any(rule => rule.StartsWith(kind, StringComparison.Ordinal))).Select(kind => kind + " required pam_permit.so")]);
        return service;
    }

    public ValueTask DisposeAsync()
    {
        File.Delete(_file);
        return ValueTask.CompletedTask;
    }
}
