using System.Threading.Channels;
using Adit.Server.Pam;
using Adit.Server.Processes;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Tests.Pam;

/// <summary>A PAM helper's end of the programs that it starts, in this process. The whole helper is in Adit.Interop.Tests.</summary>
public sealed class PamChildrenTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly Channel<PamReport> _reports = Channel.CreateUnbounded<PamReport>();

    [Fact]
    public async Task An_end_is_reported_by_a_thread_of_its_own()
    {
        var children = new PamChildren(report => _reports.Writer.TryWrite(report));
        Start(children, "sh", "-c", "exit 7");
        Assert.IsType<PamStarted>(await NextAsync());
        Assert.Equal(new PamEnded(1, new ProgramExit(7)), await NextAsync());
        children.Reap(new PamOrder(PamOrderKind.Reap) { Numbers = [1] });
    }

    // What pam_systemd's TasksMax does where the program was the last task that there may be.
    [Theory]
    [InlineData(typeof(OutOfMemoryException))]
    [InlineData(typeof(ThreadStartException))]
    public async Task Without_a_thread_for_it_the_program_is_ended_and_nothing_else(Type fault)
    {
        var left = 1;
        var children = new PamChildren(report => _reports.Writer.TryWrite(report), thread =>
        {
            if (left-- > 0)
            {
                throw (Exception)System.Runtime.CompilerServices.RuntimeHelpers.GetUninitializedObject(fault);
            }

            thread.Start();
        });
        Start(children, "sh", "-c", "sleep 100; exit 7");
        var started = Assert.IsType<PamStarted>(await NextAsync());
        Assert.NotEqual(0, started.ProcessId);
        Assert.Equal(new PamEnded(1, new ProgramExit(null, ProcessCalls.SigKill)), await NextAsync());
        children.Reap(new PamOrder(PamOrderKind.Reap) { Numbers = [1] });
        Assert.NotEqual(0, ProcessCalls.Kill(started.ProcessId, 0)); // gone
        Start(children, "sh", "-c", "exit 7");
        Assert.IsType<PamStarted>(await NextAsync());
        Assert.Equal(new PamEnded(1, new ProgramExit(7)), await NextAsync());
        children.Reap(new PamOrder(PamOrderKind.Reap) { Numbers = [1] });
    }

    private static void Start(PamChildren children, params string[] words)
    {
        using var nowhere = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite);
        SafeFileHandle[] descriptors = [nowhere, nowhere, nowhere, nowhere, nowhere];
        children.Start(new PamOrder(PamOrderKind.StartProgram, ["", "/bin/" + words[0], .. words]) { Numbers = [1] }, descriptors);
    }

    private async Task<PamReport> NextAsync() => await _reports.Reader.ReadAsync().AsTask().WaitAsync(Deadline);
}
