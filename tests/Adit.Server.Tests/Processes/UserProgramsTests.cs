using System.Runtime.Versioning;
using System.Text;
using Adit.Server.Processes;
using Adit.Server.Tests.Support;
using Adit.Server.Users;
using Adit.Ssh;

namespace Adit.Server.Tests.Processes;

[SupportedOSPlatform("linux")]
public class UserProgramsTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private const string UntilItHasASession = "until [ \"$(cut -d' ' -f6 /proc/$!/stat)\" = $! ]; do sleep 0.01; done";

    private readonly SystemUsers _users = new();

    private UserAccount Self => _users.Find(_users.ProcessUid)!;

    [Fact]
    public async Task AProgramGetsItsInputArgumentsAndEnvironmentAndNothingElse()
    {
        var input = new byte[300_000];
        new Random(3).NextBytes(input);
        var result = await RunAsync(["/bin/sh", "-c", "cat; echo \"$1|$A|$(env | cut -d= -f1 | sort | tr '\\n' ' ')\" >&2; exit 7", "sh", "a b"], input, new() { ["A"] = "x=\ny", ["PATH"] = "/usr/bin:/bin" });
        Assert.Equal(7, result.ExitCode);
        Assert.Equal(input, result.Output);
        Assert.StartsWith("a b|x=\ny|A ", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("HOME", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ItHasTheThreeStreamsOpenAndUsualSignals()
    {
        // The C library keeps two signals of its own ignored in what posix_spawn starts.
        var result = await RunAsync(["/bin/sh", "-c", "ls /proc/self/fd | tr '\\n' ' '; grep -E 'Sig(Blk|Ign)' /proc/self/status | cut -f2 | sed 's/000000018/000000000/' | sort -u; ps -o sid= -p $$ | tr -d ' ' | grep -qx $$ && echo leader"], default, []);
        // The fourth is ls's own, of the folder.
        Assert.Equal("0 1 2 3 0000000000000000\nleader\n", Encoding.UTF8.GetString(result.Output));
    }

    [Fact]
    public async Task ASignalThatEndsItIsToldAsAShellTellsIt()
    {
        Assert.Equal(143, (await RunAsync(["/bin/sh", "-c", "kill -TERM $$"], default, [])).ExitCode);
        var missing = await RunAsync(["/nonexistent/program"], default, []);
        Assert.Equal((1, "/nonexistent/program: No such file or directory\n"), (missing.ExitCode, missing.Error));
    }

    [Fact]
    public async Task CancellingKillsItWithItsChildren()
    {
        using var cancel = new CancellationTokenSource();
        var running = RunAsync(["/bin/sh", "-c", "sleep 600 & sleep 600"], default, [], cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running).WaitAsync(Deadline);
    }

    // Who took a session of its own may keep the output open for ever; whoever did not ends with the program.
    [Theory]
    [InlineData("sleep 600 & echo $!", true)]
    [InlineData("setsid sleep 600 & echo $!; " + UntilItHasASession, false)]
    [InlineData("yes & echo $!; sleep 0.2", true)]
    [InlineData("setsid yes & echo $!; " + UntilItHasASession, true)] // nobody reads any more
    public async Task AProgramThatLeavesSomebodyBehindIsOverWhenItEnds(string command, bool endsToo)
    {
        var result = await RunAsync(["/bin/sh", "-c", command], default, []);
        Assert.InRange(result.Output.Length, 2, 1024 * 1024);
        var left = Encoding.UTF8.GetString(result.Output).Split('\n').First(line => line.Length > 0 && char.IsAsciiDigit(line[0]));
        if (!endsToo)
        {
            Assert.True(Directory.Exists("/proc/" + left));
            Commands.Run("/bin/sh", "-c", "kill " + left);
        }

        for (var until = DateTime.UtcNow + Deadline; Directory.Exists("/proc/" + left) && File.ReadAllText($"/proc/{left}/stat").Split(' ')[2] != "Z";)
        {
            Assert.True(DateTime.UtcNow < until, DateTime.UtcNow < until ? "" : WhoHoldsTheOutputOf(left));
            await Task.Delay(20);
        }
    }

    private static string WhoHoldsTheOutputOf(string process)
    {
        return Commands.Run("/bin/sh", "-c", $"echo it lives on; cat /proc/{process}/stat; pipe=$(readlink /proc/{process}/fd/1); ls -l /proc/[0-9]*/fd 2>/dev/null | grep -F -e /proc -e \"$pipe\" | grep -B1 -F \"$pipe\"");
    }

    [Fact]
    public async Task AProgramThatWritesWithoutEndIsNotListenedToForEver()
    {
        var result = await RunAsync(["/bin/sh", "-c", "yes"], default, []);
        Assert.Equal((128 + 13, 1024 * 1024), (result.ExitCode, result.Output.Length));
    }

    [Fact]
    public async Task OutputBeyondTheLimitIsDropped()
    {
        var result = await RunAsync(["/bin/sh", "-c", "head -c 3000000 /dev/zero"], default, []);
        Assert.Equal((0, 1024 * 1024), (result.ExitCode, result.Output.Length));
    }

    [Fact]
    public async Task SomebodyElsesProgramIsRefusedWithoutAHelper()
    {
        var other = new UserAccount("somebody", Self.Uid + 12345, 12345, "/", "/bin/sh");
        var programs = new UserPrograms(null, _users, new CapturingLogger());
        var problem = await Assert.ThrowsAsync<SshException>(() => programs.RunAsync(other, ["/bin/true"], default, new Dictionary<string, string>(), default));
        Assert.Equal(SshError.PolicyDenied, problem.Error);
    }

    private Task<Adit.Server.Sessions.ProgramResult> RunAsync(string[] command, ReadOnlyMemory<byte> input, Dictionary<string, string> environment, CancellationToken cancellationToken = default)
    {
        // Groups as the process has them, whatever the account's are: nothing here needs the helper.
        var users = new FakeUsers { ProcessUid = Self.Uid };
        return new UserPrograms(null, users, new CapturingLogger()).RunAsync(Self, command, input, environment, cancellationToken).WaitAsync(Deadline, CancellationToken.None);
    }
}
