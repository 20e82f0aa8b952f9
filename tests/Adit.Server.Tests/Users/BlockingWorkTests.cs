using Adit.Server.Users;

namespace Adit.Server.Tests.Users;

public class BlockingWorkTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    // A name service that does not answer must not hold a login's place beyond LoginGraceTime.
    [Fact]
    public async Task Who_gives_up_is_not_kept_by_work_that_does_not_end()
    {
        using var answer = new ManualResetEventSlim();
        using var cancel = new CancellationTokenSource();
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var running = BlockingWork.RunOrLeaveAsync(
            () =>
            {
                begun.SetResult();
                Assert.True(answer.Wait(Deadline));
                ended.SetResult();
                return 1;
            },
            cancel.Token);
        await begun.Task.WaitAsync(Deadline);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running.WaitAsync(Deadline));
        Assert.False(ended.Task.IsCompleted);
        answer.Set();
        await ended.Task.WaitAsync(Deadline);
    }

    [Fact]
    public async Task What_is_waited_for_brings_its_result_or_its_fault()
    {
        Assert.Equal(7, await BlockingWork.RunOrLeaveAsync(() => 7, CancellationToken.None));
        await Assert.ThrowsAsync<IOException>(() => BlockingWork.RunOrLeaveAsync<int>(() => throw new IOException("gone"), CancellationToken.None));
    }
}
