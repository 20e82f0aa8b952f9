using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Connection;

/// <summary>Answers one kind of global request. Runs on the thread pool, one request of a connection at a time, so answers keep their order.</summary>
internal interface IGlobalRequestHandler
{
    /// <summary>The response-specific data of SSH_MSG_REQUEST_SUCCESS, or null for SSH_MSG_REQUEST_FAILURE.</summary>
    ValueTask<byte[]?> HandleAsync(string name, ReadOnlyMemory<byte> data, bool wantReply, CancellationToken cancellationToken);

    /// <summary>The request has arrived; on the receive loop, ahead of whatever comes behind it. Must not block.</summary>
    void OnArrived()
    {
    }

    /// <summary>The answer to the request handled last is in the send queue: what is sent from here on comes behind it.</summary>
    void OnAnswered()
    {
    }
}

/// <summary>Global requests in both directions (RFC 4254, section 4). Answers carry no number: those that come belong to our requests in order,
/// those we give leave in the order of the peer's.</summary>
internal sealed class GlobalRequests(SshTransport transport, ILogger logger)
{
    private const int MaxWaiting = 4096;
    private const int MaxWaitingBytes = 4 * 1024 * 1024;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, IGlobalRequestHandler> _handlers = new(StringComparer.Ordinal);
    private readonly Queue<Outgoing> _sent = new();
    private readonly Queue<Incoming> _received = new();
    private TaskCompletionSource? _idle;
    private SshException? _closed;
    private bool _answering;
    private int _receivedBytes;

    private readonly record struct Incoming(string Name, byte[] Data, bool WantReply, IGlobalRequestHandler? Handler);

    private readonly record struct Outgoing(TaskCompletionSource<byte[]?> Answer, Action<byte[]?>? OnAnswer);

    /// <summary>Sends these requests' kind to a handler. Set up before login.</summary>
    public void Handle(string name, IGlobalRequestHandler handler) => _handlers.Add(name, handler);

    /// <summary>Sends a request and returns the answer's data; null when it was refused. Throws when the connection ends first.
    /// <paramref name="onAnswer"/> gets the same on the receive loop, before any later message is looked at; it must not block.</summary>
    public Task<byte[]?> RequestAsync(string name, ReadOnlySpan<byte> data, Action<byte[]?>? onAnswer = null)
    {
        var answer = new TaskCompletionSource<byte[]?>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_closed is { } reason)
                throw reason;
            _sent.Enqueue(new Outgoing(answer, onAnswer));
            Send(name, true, data); // under the lock: the queue and the wire must agree on the order
        }
        return answer.Task;
    }

    /// <summary>Sends a request that wants no answer.</summary>
    public void Notify(string name, ReadOnlySpan<byte> data) => Send(name, false, data);

    public void OnRequest(ReadOnlyMemory<byte> payload)
    {
        var reader = new SshReader(payload.Span[1..]);
        var request = GlobalRequestMessage.Read(ref reader);
        _handlers.TryGetValue(request.Name, out var handler);
        logger.LogTrace("global request {Name} reply {WantReply}", PeerText.Escape(request.Name), request.WantReply);
        if (handler is null && !request.WantReply)
            return;
        handler?.OnArrived();
        lock (_lock)
        {
            if (_received.Count >= MaxWaiting || _receivedBytes > MaxWaitingBytes)
                throw new SshException(SshError.ResourceLimit, "too many global requests wait for an answer") { DisconnectReason = DisconnectReason.ProtocolError };
            if (handler is not null || _answering)
            {
                byte[] data = handler is null ? [] : request.Data.ToArray();
                _receivedBytes += data.Length;
                _received.Enqueue(new Incoming(request.Name, data, request.WantReply, handler));
                if (_answering)
                    return;
                _answering = true;
            }
        }
        if (handler is null)
            transport.Send([(byte)MessageId.RequestFailure]);
        else
            ThreadPool.UnsafeQueueUserWorkItem(static self => _ = self.AnswerAsync(), this, preferLocal: false);
    }

    public void OnReply(bool success, ReadOnlyMemory<byte> payload)
    {
        Outgoing waiting;
        lock (_lock)
        {
            if (!_sent.TryDequeue(out waiting))
                throw SshException.Protocol("answer to a global request that was not sent");
        }
        byte[]? answer = success ? payload[1..].ToArray() : null;
        waiting.OnAnswer?.Invoke(answer);
        waiting.Answer.TrySetResult(answer);
    }

    /// <summary>Completes when no handler runs any more. Only after the connection has ended.</summary>
    public Task WhenIdleAsync()
    {
        lock (_lock)
        {
            if (!_answering)
                return Task.CompletedTask;
            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _idle.Task;
        }
    }

    public void Close(SshException reason)
    {
        lock (_lock)
        {
            _closed = reason;
            while (_sent.TryDequeue(out var waiting))
                waiting.Answer.TrySetException(reason);
            _received.Clear();
        }
    }

    private async Task AnswerAsync()
    {
        while (true)
        {
            Incoming next;
            lock (_lock)
            {
                if (!_received.TryDequeue(out next))
                {
                    _answering = false;
                    _idle?.TrySetResult();
                    return;
                }
                _receivedBytes -= next.Data.Length;
            }
            byte[]? answer = null;
            try
            {
                if (next.Handler is not null)
                    answer = await next.Handler.HandleAsync(next.Name, next.Data, next.WantReply, transport.Ended).ConfigureAwait(false);
            }
            catch (Exception e) when (e is SshException or OperationCanceledException)
            {
                logger.LogDebug("global request {Name}: {Fault}", PeerText.Escape(next.Name), e.Message);
            }
            catch (Exception e)
            {
                logger.LogError(e, "global request {Name} failed", PeerText.Escape(next.Name));
            }
            if (next.WantReply)
                Answer(answer);
            next.Handler?.OnAnswered();
        }
    }

    private void Answer(byte[]? answer)
    {
        if (answer is null)
            transport.Send([(byte)MessageId.RequestFailure]);
        else
            transport.Send([(byte)MessageId.RequestSuccess, .. answer]);
    }

    private void Send(string name, bool wantReply, ReadOnlySpan<byte> data)
    {
        var writer = new SshWriter(64 + data.Length);
        new GlobalRequestMessage { Name = name, WantReply = wantReply, Data = data }.Write(ref writer);
        transport.Send(writer.Written);
    }
}
