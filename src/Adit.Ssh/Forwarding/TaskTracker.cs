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
        Begin();
        task.ContinueWith(static (_, self) => ((TaskTracker)self!).End(), this, CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>Something begins that is no task yet; <see cref="End"/> is called for it once.</summary>
    public void Begin()
    {
        lock (_lock)
            _running++;
    }

    /// <summary>What <see cref="Begin"/> told of has ended.</summary>
    public void End()
    {
        TaskCompletionSource? idle = null;
        lock (_lock)
        {
            if (--_running == 0)
                (idle, _idle) = (_idle, null);
        }
        idle?.TrySetResult();
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
}
