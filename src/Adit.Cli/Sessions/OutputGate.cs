namespace Adit.Cli.Sessions;

/// <summary>Holds back what a program says while a person types something else on its terminal. The channel's window bounds what comes meanwhile.</summary>
internal sealed class OutputGate
{
    private volatile TaskCompletionSource? _closed;

    public void Close() => _closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Open()
    {
        var closed = _closed;
        _closed = null;
        closed?.TrySetResult();
    }

    /// <summary>Completes when output may be shown.</summary>
    public Task WaitAsync(CancellationToken cancellationToken) => _closed?.Task.WaitAsync(cancellationToken) ?? Task.CompletedTask;
}
