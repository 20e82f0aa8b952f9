using Adit.Ssh.Transport;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Connection;

/// <summary>Runs the handlers of incoming channels: at most so many at once, and what may wait is bounded too.</summary>
internal sealed class OpenQueue(ILogger logger, CancellationToken ended)
{
    private const int MaxRunning = 256;
    private const int MaxWaiting = 65536;
    private const int MaxWaitingBytes = 16 * 1024 * 1024;

    private readonly Lock _lock = new();
    private readonly Queue<(IChannelHandler Handler, IncomingChannel Request)> _waiting = new();
    private TaskCompletionSource? _idle;
    private int _running;
    private int _waitingBytes;

    public void Add(IChannelHandler handler, IncomingChannel request)
    {
        lock (_lock)
        {
            if (_running >= MaxRunning)
            {
                if (_waiting.Count < MaxWaiting && _waitingBytes + request.Data.Length <= MaxWaitingBytes)
                {
                    _waitingBytes += request.Data.Length;
                    _waiting.Enqueue((handler, request));
                    return;
                }
            }
            else
            {
                _running++;
                Start(handler, request);
                return;
            }
        }
        request.Reject(OpenFailureReason.ResourceShortage, "too many channels are being opened");
    }

    /// <summary>Completes when no handler runs any more. Only after the connection has ended, when nothing is added.</summary>
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

    /// <summary>Not on the receive loop, but without waking another thread where this one is about to have nothing to do.</summary>
    private void Start(IChannelHandler handler, IncomingChannel request)
    {
        var work = new Work(this, handler, request);
        if (!handler.NeverBlocks || !SocketPoller.TryRunAfter(static state => ((Work)state).Run(), work))
            ThreadPool.UnsafeQueueUserWorkItem(static state => state.Run(), work, preferLocal: false);
    }

    private sealed record Work(OpenQueue Queue, IChannelHandler Handler, IncomingChannel Request)
    {
        public void Run() => _ = Queue.RunAsync(Handler, Request);
    }

    private async Task RunAsync(IChannelHandler handler, IncomingChannel request)
    {
        try
        {
            if (!ended.IsCancellationRequested)
                await handler.HandleAsync(request, ended).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // the connection ended
        }
        catch (Exception e)
        {
            logger.LogError(e, "opening a {Type} channel failed", request.ChannelType);
        }
        request.Reject(OpenFailureReason.ConnectFailed, "open failed");
        lock (_lock)
        {
            if (_waiting.TryDequeue(out var next))
            {
                _waitingBytes -= next.Request.Data.Length;
                Start(next.Handler, next.Request);
                return;
            }
            _running--;
            if (_running == 0)
                _idle?.TrySetResult();
        }
    }
}
