namespace Adit.Ssh.Forwarding;

/// <summary>Owns tasks that end by themselves: counts them, so that whoever stops can wait for the last.</summary>
internal sealed class TaskTracker
{
    private readonly Lock _lock = new();
    private TaskCompletionSource? _idle;
    private int _running;

    /// <summary>Tasks that run now.</summary>
    public int Running => Volatile.Read(ref _running);

    /// <summary>Takes a task over. Its faults must have been handled inside.</summary>
    public void Add(Task task)
    {
        if (task.IsCompleted)
            return;
        lock (_lock)
            _running++;
        task.ContinueWith(static (_, self) => ((TaskTracker)self!).OnEnded(), this, CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>Completes when none runs.</summary>
    public Task WhenIdleAsync()
    {
        lock (_lock)
        {
            if (_running == 0)
                return Task.CompletedTask;
            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _idle.Task;
        }
    }

    private void OnEnded()
    {
        TaskCompletionSource? idle = null;
        lock (_lock)
        {
            if (--_running == 0)
                (idle, _idle) = (_idle, null);
        }
        idle?.TrySetResult();
    }
}
