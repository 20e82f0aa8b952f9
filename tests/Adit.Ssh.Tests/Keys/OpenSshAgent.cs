using System.Diagnostics;

namespace Adit.Ssh.Tests.Keys;

/// <summary>ssh-agent in the foreground, until disposed.</summary>
internal sealed class OpenSshAgent : IAsyncDisposable
{
    private readonly Process _process;

    private OpenSshAgent(Process process, string socketPath)
    {
        _process = process;
        SocketPath = socketPath;
    }

    public string SocketPath { get; }

    public static async Task<OpenSshAgent> StartAsync(KeygenFolder folder)
    {
        string socket = folder.File("agent");
        var process = Process.Start(new ProcessStartInfo("ssh-agent", ["-D", "-a", socket]) { RedirectStandardOutput = true })!;
        // It prints its variables when the socket is there.
        Assert.Contains("SSH_AUTH_SOCK", await process.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30)));
        return new OpenSshAgent(process, socket);
    }

    public void Add(KeygenFolder folder, string file, string options = "") =>
        folder.Run("/bin/sh", "-c", $"SSH_AUTH_SOCK='{SocketPath}' ssh-add -q {options} '{file}'");

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
    }
}
