using Adit.Server.Pam;
using Adit.Server.Processes;
using Adit.Ssh;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Tests.Pam;

/// <summary>The server's end of what a PAM helper starts, against a helper that is played; its processes are real. The real one is in Adit.Interop.Tests.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "it is no descriptor")]
public sealed class PamProgramsTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);
    private static readonly StartHelper Helper = new("/bin/adit", ["adit", "session-start"]);

    private readonly List<PamOrder> _orders = [];
    private readonly SafeFileHandle _nothing = new(-1, ownsHandle: false);

    [Fact]
    public async Task A_program_is_ordered_reported_and_reaped_when_its_end_was_heard_of()
    {
        var programs = Programs();
        var spawning = SpawnAsync(programs, "/dev/pts/3");
        Assert.Equal((PamOrderKind.StartProgram, 1u), (_orders[0].Kind, _orders[0].Numbers[0]));
        Assert.Equal(["/dev/pts/3", "/bin/adit", "adit", "session-start"], _orders[0].Texts);
        using var process = Sleep();
        programs.OnReport(Again(new PamStarted(1, process.Id, 0)));
        var program = await spawning.WaitAsync(Deadline);
        Assert.Equal(process.Id, program.ProcessId);
        Assert.True(program.SignalGroup(0));
        programs.OnReport(Again(new PamEnded(1, new ProgramExit(null, 11, CoreDumped: true))));
        Assert.Equal(new ProgramExit(null, 11, CoreDumped: true), await program.Exit.WaitAsync(Deadline));
        Assert.Equal((PamOrderKind.Reap, 1u), (_orders[1].Kind, _orders[1].Numbers[0]));
        Assert.False(program.SignalGroup(0)); // its number may be another's
        process.Kill();
    }

    [Fact]
    public async Task What_cannot_be_started_says_why()
    {
        var programs = Programs();
        var spawning = SpawnAsync(programs);
        programs.OnReport(Again(new PamStarted(1, 0, 11)));
        Assert.Equal("cannot start a program: Resource temporarily unavailable", (await Assert.ThrowsAsync<SshException>(() => spawning.WaitAsync(Deadline))).Message);
    }

    [Fact]
    public void A_report_about_nobody_is_the_end_of_it()
    {
        var programs = Programs();
        Assert.Throws<SshException>(() => programs.OnReport(new PamEnded(1, new ProgramExit(0))));
        _ = SpawnAsync(programs);
        Assert.Throws<SshException>(() => programs.OnReport(new PamEnded(1, new ProgramExit(0)))); // it has not started
        Assert.Throws<SshException>(() => programs.OnReport(new PamResult(0, "", "", "")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Without_a_helper_programs_are_hung_up_only_where_that_was_not_meant_to_be(bool isLost)
    {
        var programs = Programs();
        var running = SpawnAsync(programs);
        var starting = SpawnAsync(programs);
        using var process = Sleep();
        programs.OnReport(new PamStarted(1, process.Id, 0));
        var program = await running.WaitAsync(Deadline);
        await programs.CloseAsync(isLost).WaitAsync(Deadline);
        Assert.Equal(isLost, programs.Lost.IsCompleted);
        Assert.Equal(isLost ? new ProgramExit(null, 1) : default, await program.Exit.WaitAsync(Deadline));
        await Assert.ThrowsAsync<SshException>(() => starting.WaitAsync(Deadline));
        await Assert.ThrowsAsync<SshException>(() => SpawnAsync(programs));
        Assert.Equal(isLost, process.WaitForExit(isLost ? 30_000 : 0));
        if (!isLost)
        {
            process.Kill();
        }
    }

    [Fact]
    public async Task A_start_that_takes_too_long_is_given_up_alone()
    {
        var programs = Programs(startLimit: TimeSpan.FromSeconds(2));
        using var other = Sleep();
        var running = SpawnAsync(programs);
        programs.OnReport(new PamStarted(1, other.Id, 0));
        var program = await running.WaitAsync(Deadline);
        var file = Path.GetTempFileName();
        using var spec = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite, options: FileOptions.DeleteOnClose);
        RandomAccess.Write(spec, "what to become"u8, 0);
        var slow = programs.SpawnAsync(Helper, new ProgramStreams { Terminal = "/dev/pts/3" }, spec, _nothing, endsItsGroup: false);
        var failing = SpawnAsync(programs);
        Assert.Equal("the program did not start in time", (await Assert.ThrowsAsync<SshException>(() => slow.WaitAsync(Deadline))).Message);
        await Assert.ThrowsAsync<SshException>(() => failing.WaitAsync(Deadline));
        Assert.Equal(0, RandomAccess.GetLength(spec)); // late, it would become nothing

        // What was started late is ended, reported and reaped like any other; the first goes on.
        using var late = Sleep();
        programs.OnReport(new PamStarted(2, late.Id, 0));
        Assert.True(late.WaitForExit(Deadline));
        programs.OnReport(new PamEnded(2, new ProgramExit(null, 9)));
        programs.OnReport(new PamStarted(3, 0, 11));
        Assert.Equal([2u], _orders.Where(order => order.Kind == PamOrderKind.Reap).Select(order => order.Numbers[0]));
        Assert.True(program.SignalGroup(0));
        other.Kill();
    }

    // A helper that was told to end by a signal takes no orders, and has its programs' ends to report all the same.
    [Fact]
    public async Task An_end_counts_where_the_helper_takes_no_orders_any_more()
    {
        PamSend send = (order, _) =>
        {
            if (order.Kind == PamOrderKind.Reap)
            {
                throw new SshException(SshError.ResourceLimit, "Broken pipe");
            }
        };
        var programs = new PamPrograms(send, null);
        var spawning = SpawnAsync(programs);
        using var process = Sleep();
        programs.OnReport(new PamStarted(1, process.Id, 0));
        var program = await spawning.WaitAsync(Deadline);
        programs.OnReport(new PamEnded(1, new ProgramExit(7)));
        Assert.Equal(new ProgramExit(7), await program.Exit.WaitAsync(Deadline));
        process.Kill();
    }

    [Fact]
    public async Task What_is_not_to_stay_is_killed_while_the_helper_keeps_its_number_and_no_later()
    {
        var programs = Programs();
        using var staying = Sleep();
        using var going = Sleep();
        using var late = Sleep();
        Task<RunningProgram>[] started = [SpawnAsync(programs), SpawnAsync(programs, endsItsGroup: true), SpawnAsync(programs, endsItsGroup: true)];
        programs.OnReport(new PamStarted(1, staying.Id, 0));
        programs.OnReport(new PamStarted(2, going.Id, 0));
        programs.BeginEnd();
        Assert.True(going.WaitForExit(Deadline));
        await Assert.ThrowsAsync<SshException>(() => SpawnAsync(programs));
        programs.OnReport(new PamStarted(3, late.Id, 0));
        Assert.True(late.WaitForExit(Deadline));
        await programs.CloseAsync(isLost: false).WaitAsync(Deadline);
        Assert.False(staying.HasExited);
        Assert.All(await Task.WhenAll(started).WaitAsync(Deadline), program => Assert.True(program.Exit.IsCompleted));
        staying.Kill();

        // Without the helper a number may be anybody's.
        programs = Programs();
        _ = SpawnAsync(programs, endsItsGroup: true);
        using var anybody = Sleep();
        programs.OnReport(new PamStarted(1, anybody.Id, 0));
        await programs.CloseAsync(isLost: false).WaitAsync(Deadline);
        Assert.False(anybody.WaitForExit(100));
        anybody.Kill();
    }

    // Whoever starts a process by Process has it in this process's own group: a group of its own is what setsid is for.
    private static System.Diagnostics.Process Sleep()
    {
        var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("setsid", ["sh", "-c", "echo; exec sleep 100"]) { RedirectStandardOutput = true })!;
        Assert.Equal("", process.StandardOutput.ReadLine());
        return process;
    }

    private static PamReport Again(PamReport report) => PamReport.Read(report.ToArray());

    private Task<RunningProgram> SpawnAsync(PamPrograms programs, string? terminal = null, bool endsItsGroup = false) =>
        programs.SpawnAsync(Helper, terminal is null ? new ProgramStreams(_nothing, _nothing, _nothing) : new ProgramStreams { Terminal = terminal }, _nothing, _nothing, endsItsGroup);

    private PamPrograms Programs(TimeSpan? startLimit = null) => new((order, _) => _orders.Add(PamOrder.Read(order.ToArray())), null, startLimit);
}
