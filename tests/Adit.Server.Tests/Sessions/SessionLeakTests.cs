using System.Runtime.Versioning;
using Adit.Ssh;
using Adit.Ssh.Transport;

namespace Adit.Server.Tests.Sessions;

/// <summary>Looks at the whole process, so nothing else may run meanwhile.</summary>
[Collection(nameof(Alone))]
[SupportedOSPlatform("linux")]
public class SessionLeakTests
{
    private static readonly TimeSpan Deadline = SessionLab.Deadline;

    [Fact]
    public async Task NothingIsLeftWhenAConnectionBreaksOffAmidEverything()
    {
        var before = Descriptors();
        await using (var lab = await SessionLab.StartAsync("MaxSessions 20"))
        {
            for (var i = 0; i < 5; i++)
            {
                var client = await lab.ConnectAsync();
                var running = new List<SshSession>();
                for (var j = 0; j < 3; j++)
                {
                    var session = await client.OpenSessionAsync();
                    if (j == 1)
                    {
                        Assert.True(await session.RequestPtyAsync(new PtyOptions("xterm", 80, 24)).WaitAsync(Deadline));
                    }

                    Assert.True(await session.ExecuteAsync(j == 2 ? "true" : "cat; exec cat /dev/zero").WaitAsync(Deadline));
                    await session.Input.WriteAsync("x\n"u8.ToArray()).AsTask().WaitAsync(Deadline);
                    running.Add(session);
                }

                await client.DisposeAsync();
                foreach (var session in running)
                {
                    await session.DisposeAsync(); // what was not read
                }
            }
        }

        // The programs see it by the ends of their pipes, which takes them a moment.
        for (var i = 0; i < 300 && (Descriptors() > before + 2 || PacketPool.Shared.Rented > 0); i++)
        {
            await Task.Delay(50);
        }

        Assert.InRange(Descriptors(), 0, before + 2);
        Assert.Equal(0, PacketPool.Shared.Rented);
    }

    private static int Descriptors() => Directory.GetFileSystemEntries("/proc/self/fd").Count(path => new FileInfo(path).LinkTarget is { } target
        && (target.StartsWith("pipe:", StringComparison.Ordinal) || target.Contains("ptmx", StringComparison.Ordinal) || target.Contains("/pts/", StringComparison.Ordinal) || target.Contains("pidfd", StringComparison.Ordinal)));
}

[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
