using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Adit.Ssh.Connection;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Forwarding;

/// <summary>Carries bytes from a channel to a socket. What arrived in one batch leaves in one gathered send straight from the receive buffer; what the socket
/// does not take is copied, drained in the background and credited as it drains. The receive loop never waits here.</summary>
internal sealed class SocketSink(Socket socket, SocketReadiness readiness)
{
    private const int MaxRanges = 8;

    [ThreadStatic]
    private static List<ArraySegment<byte>>? _segments;

    private readonly Lock _lock = new();
    private readonly AsyncSignal _done = new();
    private Ranges _ranges;
    private int _count;
    private Backlog _backlog;
    private AsyncSignal? _moreToDrain; // only a channel that was ever backlogged has it
    private Task _draining = Task.CompletedTask;
    private bool _isDraining;
    private bool _drainEnded;
    private volatile bool _failed;
    private bool _eof;
    private volatile bool _closes;
    private int _isDone;

    [InlineArray(MaxRanges)]
    private struct Ranges
    {
        private ArraySegment<byte> _first;
    }

    /// <summary>The channel, once it is open.</summary>
    public SshChannel? Channel { get; set; }

    /// <summary>Everything up to the peer's EOF or CLOSE was delivered and passed on as shutdown, or delivery failed.</summary>
    public bool IsDone => Volatile.Read(ref _isDone) != 0;

    /// <summary>Completes when <see cref="IsDone"/>. For one waiter, once, who has no more to do then than to end.</summary>
    public ValueTask WhenDoneAsync() => _done.WaitAsync(mayInline: true);

    public void OnData(ReadOnlyMemory<byte> data)
    {
        lock (_lock)
        {
            if (_isDraining)
            {
                _backlog.Append(data.Span);
                return;
            }
        }
        if (_failed)
        {
            Channel!.Credit(data.Length);
            return;
        }
        if (_count == MaxRanges)
            Flush();
        if (_isDraining || !MemoryMarshal.TryGetArray(data, out var range))
        {
            Keep(data.Span);
            return;
        }
        _ranges[_count++] = range;
    }

    /// <summary>Delivers what this batch brought.</summary>
    public void Flush()
    {
        if (_count == 0)
            return;
        int sent = 0;
        var error = SocketError.Success;
        try
        {
            if (_count == 1)
            {
                sent = socket.Send(_ranges[0].AsSpan(), SocketFlags.None, out error);
            }
            else
            {
                var segments = _segments ??= new List<ArraySegment<byte>>(MaxRanges);
                segments.Clear();
                for (int i = 0; i < _count; i++)
                    segments.Add(_ranges[i]);
                sent = socket.Send(segments, SocketFlags.None, out error);
                segments.Clear();
            }
        }
        catch (ObjectDisposedException)
        {
            error = SocketError.Shutdown;
        }
        if (error != SocketError.Success && error != SocketError.WouldBlock)
            Fail();
        sent = Math.Max(sent, 0);
        int delivered = sent;
        for (int i = 0; i < _count; i++)
        {
            var range = _ranges[i];
            _ranges[i] = default;
            int skip = Math.Min(sent, range.Count);
            sent -= skip;
            if (skip == range.Count)
                continue;
            if (_failed)
                delivered += range.Count - skip;
            else
                Keep(range.AsSpan(skip));
        }
        _count = 0;
        Channel!.Credit(delivered);
    }

    /// <summary>Nothing follows: once all is delivered the socket's peer is told so.</summary>
    public void OnEnd()
    {
        Flush();
        lock (_lock)
        {
            _eof = true;
            if (_isDraining)
                return;
        }
        Finish();
        _moreToDrain?.Set();
    }

    /// <summary>As <see cref="OnEnd"/>, and the socket is closed with that.</summary>
    public void EndAndClose()
    {
        _closes = true;
        OnEnd();
        if (IsDone)
            readiness.CloseSocket();
    }

    /// <summary>What waits is dropped, and so is what comes.</summary>
    public void Abort() => Fail();

    /// <summary>Completes when no background delivery runs. After <see cref="IsDone"/>, or after the socket was disposed.</summary>
    public Task WhenDrainedAsync()
    {
        lock (_lock)
            return _draining;
    }

    private void Keep(ReadOnlySpan<byte> data)
    {
        Channel!.OnBacklog();
        var more = _moreToDrain;
        lock (_lock)
        {
            if (_drainEnded)
            {
                Channel!.Credit(data.Length);
                return;
            }
            _backlog.Append(data);
            if (_isDraining)
                return;
            _isDraining = true;
        }
        // The socket is full: what begins here is a wait. It ends on the thread that sees room, without waking another one first.
        if (more is not null)
        {
            more.Set(inline: true);
            return;
        }
        _moreToDrain = more = new AsyncSignal();
        var draining = DrainAsync(more);
        lock (_lock)
            _draining = draining;
    }

    /// <summary>Runs from the first backlog to the sink's end: a reader that is slower than the network falls behind many times a second, and a task each time is garbage.</summary>
    private async Task DrainAsync(AsyncSignal more)
    {
        while (true)
        {
            var next = Memory<byte>.Empty;
            lock (_lock)
            {
                if (!_backlog.IsEmpty && !_failed)
                {
                    next = _backlog.First;
                }
                else
                {
                    Channel!.Credit(_backlog.Clear());
                    _drainEnded = _eof || _failed;
                    bool finishes = _drainEnded && _isDraining;
                    _isDraining = false;
                    if (finishes)
                        break;
                    if (_drainEnded)
                        return; // whoever ended it has finished
                }
            }
            if (next.IsEmpty)
            {
                await more.WaitAsync(mayInline: true).ConfigureAwait(false);
                continue;
            }
            int sent = 0;
            try
            {
                sent = await readiness.SendAsync(next).ConfigureAwait(false);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
            {
                Fail();
            }
            lock (_lock)
            {
                if (sent > 0)
                    _backlog.Consume(sent);
            }
            Channel!.Credit(sent);
        }
        Finish();
    }

    private void Finish()
    {
        if (IsDone)
            return; // CLOSE after EOF
        if (!_failed && !SocketCalls.TryShutdownSend(socket))
            Fail();
        Complete();
    }

    private void Fail()
    {
        _failed = true;
        Complete();
        _moreToDrain?.Set();
    }

    private void Complete()
    {
        if (Interlocked.Exchange(ref _isDone, 1) != 0)
            return;
        _done.SetForAfter();
        if (_closes)
            readiness.CloseSocket();
    }
}
