using System.Buffers;

namespace Adit.Ssh.Transport;

/// <summary>Everything that leaves goes through here, sealed by one sender at a time. Whoever adds a packet while nobody sends becomes the sender for a
/// moment (no thread hop, so small packets leave at once); what does not go without waiting, or goes on for long, is left to the send loop.</summary>
internal sealed class SendQueue : IDisposable
{
    /// <summary>Packets per gathered send.</summary>
    private const int BatchPackets = 64;

    /// <summary>Bytes per gathered send.</summary>
    private const int BatchBytes = 256 * 1024;

    /// <summary>Segments per gathered send: so many .NET pins on the stack, beyond that it allocates.</summary>
    private const int BatchSegments = 8;

    /// <summary>Packets with payloads up to this size are copied together into one segment.</summary>
    private const int SmallPayload = 923;

    /// <summary>What such a packet grows to at most.</summary>
    private const int SmallFrame = PacketBuffer.PayloadOffset + SmallPayload + PacketBuffer.TailRoom;

    private const int StagingSize = 32 * 1024;

    /// <summary>Batches that a borrowed thread sends before it hands over to the send loop.</summary>
    private const int InlineBatches = 2;

    private readonly Lock _lock = new();
    private readonly SendScheduler _scheduler = new();
    private readonly ByteTransport _transport;
    private readonly PacketWriter _writer;
    private readonly ISendQueueOwner _owner;
    private readonly AsyncSignal _handOver = new();
    private readonly PacketBuffer[] _batch = new PacketBuffer[BatchPackets];
    private readonly SendLane?[] _lanes = new SendLane?[BatchPackets];
    private readonly List<ArraySegment<byte>> _segments = new(BatchSegments);
    private byte[]? _staging;
    private int _batchCount;
    private Sender _sender;
    private bool _closed;
    private volatile bool _authenticated;
    private TaskCompletionSource? _dry;

    /// <summary>Who seals and sends now. Only that one touches the batch, the segments and the writer.</summary>
    private enum Sender
    {
        Nobody,
        /// <summary>A thread that had something to send.</summary>
        Borrowed,
        /// <summary>The send loop.</summary>
        Loop,
    }

    public SendQueue(ByteTransport transport, PacketWriter writer, ISendQueueOwner owner)
    {
        _transport = transport;
        _writer = writer;
        _owner = owner;
    }

    /// <summary>Login is done: more answers may wait.</summary>
    public void OnAuthenticated() => _authenticated = true;

    /// <summary>Queues a control message; it leaves before any channel's data. Takes the packet over.</summary>
    public void SendControl(PacketBuffer packet, bool flush = true)
    {
        bool flooded;
        int waiting;
        lock (_lock)
        {
            waiting = _scheduler.ControlCount;
            flooded = _authenticated ? _scheduler.ControlBytes > SendLimits.ControlBytes
                : waiting >= SendLimits.ControlMessagesBeforeLogin || _scheduler.ControlBytes > SendLimits.ControlBytesBeforeLogin;
            if (!_closed && !flooded)
            {
                _scheduler.AddControl(packet);
                packet = null!;
            }
        }
        packet?.Return();
        if (flooded)
            _owner.OnSendFault(new SshException(SshError.ResourceLimit, $"the peer does not read: {waiting} answers to it wait") { DisconnectReason = DisconnectReason.ByApplication });
        else if (flush)
            Kick();
    }

    /// <summary>Queues a key-exchange packet. With <paramref name="block"/> (our SSH_MSG_KEXINIT) nothing else leaves behind it until <see cref="SendNewKeys"/>.</summary>
    public void SendKex(PacketBuffer packet, bool block)
    {
        if (Add(packet, block ? true : null))
            Kick();
    }

    /// <summary>Queues SSH_MSG_NEWKEYS, which carries the keys for everything behind it, and lets the rest go again.</summary>
    public void SendNewKeys(PacketBuffer packet, OutboundKeys keys)
    {
        packet.SwitchAfter = keys;
        if (Add(packet, false))
            Kick();
        else
            keys.Sealer.Dispose();
    }

    /// <summary>Bytes the lane may add now, in one packet or some full ones. When 0, its callback says when to ask again. A lane with nothing queued always has room for one packet.</summary>
    public int RoomFor(SendLane lane) => SendLimits.Room(Volatile.Read(ref lane.Queued), _scheduler.LaneBytes);

    /// <summary>Queues a packet in its lane. Takes the packet over. Without <paramref name="flush"/> it waits for the next call that flushes.</summary>
    public void Send(SendLane lane, PacketBuffer packet, bool flush = true)
    {
        bool closed;
        lock (_lock)
        {
            closed = _closed;
            if (!closed)
                _scheduler.Add(lane, packet);
        }
        if (closed)
            packet.Return();
        else if (flush)
            Kick();
    }

    /// <summary>Completes when everything queued so far that may leave has left.</summary>
    public Task WhenDryAsync()
    {
        lock (_lock)
        {
            if (_closed || (_sender == Sender.Nobody && !_scheduler.HasWork))
                return Task.CompletedTask;
            _dry ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _dry.Task;
        }
    }

    /// <summary>The send loop: takes over what a borrowed thread could not finish. Ends after <see cref="Close"/>.</summary>
    public async Task RunAsync()
    {
        while (true)
        {
            await _handOver.WaitAsync(mayInline: true).ConfigureAwait(false);
            lock (_lock)
            {
                if (_closed && _sender == Sender.Nobody)
                    return;
                if (_sender != Sender.Loop)
                    continue;
            }
            try
            {
                int streak = 0;
                do
                {
                    // Here and not in a method of its own: one that waits would allocate its state for every full socket buffer.
                    while (_segments.Count > 0)
                    {
                        Advance(await _transport.SendAsync(_segments[0]).ConfigureAwait(false));
                        if (_segments.Count > 0)
                            Advance(_transport.TrySend(_segments));
                    }
                    CompleteBatch();
                    if (ThreadTurn.IsOver(ref streak))
                        await ThreadTurn.NextAsync();
                }
                while (TakeBatch());
            }
            catch (Exception e)
            {
                Fail(e);
            }
        }
    }

    /// <summary>Nothing leaves any more; what is queued is dropped.</summary>
    public void Close()
    {
        TaskCompletionSource? dry;
        lock (_lock)
        {
            if (_closed)
                return;
            _closed = true;
            while (_scheduler.TakeAny() is { } packet)
            {
                packet.SwitchAfter?.Sealer.Dispose();
                packet.Return();
            }
            dry = _dry;
            _dry = null;
        }
        dry?.TrySetResult();
        _handOver.Set();
    }

    /// <summary>Only after the send loop has ended.</summary>
    public void Dispose() => _writer.Dispose();

    /// <summary>Sends what is queued, on this thread as far as it goes without waiting.</summary>
    public void Kick()
    {
        lock (_lock)
        {
            if (_sender != Sender.Nobody || _closed || !_scheduler.HasWork)
                return;
            _sender = Sender.Borrowed;
        }
        try
        {
            for (int round = 0; round < InlineBatches; round++)
            {
                if (!TakeBatch())
                    return;
                if (_segments.Count > 0)
                    break;
                CompleteBatch();
            }
        }
        catch (Exception e)
        {
            Fail(e);
            return;
        }
        TaskCompletionSource? stopped = null;
        bool full = _batchCount > 0;
        bool done = false;
        lock (_lock)
        {
            if (full || _scheduler.HasWork)
                _sender = Sender.Loop;
            else
            {
                stopped = StopLocked();
                done = true;
            }
        }
        // A full socket is only waited for, so the loop may begin here; a long queue it shall send on a thread of its own.
        if (!done)
            _handOver.Set(inline: full);
        stopped?.TrySetResult();
    }

    private bool Add(PacketBuffer packet, bool? block)
    {
        lock (_lock)
        {
            if (!_closed)
            {
                _scheduler.AddKex(packet);
                if (block is { } value)
                    _scheduler.Blocked = value;
                return true;
            }
        }
        packet.Return();
        return false;
    }

    /// <summary>Takes, seals and tries to send the next batch. What did not go is left in _segments. False: nothing to send, and this caller is no longer the sender.</summary>
    private bool TakeBatch()
    {
        TaskCompletionSource? stopped = null;
        bool empty;
        lock (_lock)
        {
            int bytes = 0;
            int staged = 0;
            int segments = 0;
            bool lastWasSmall = false;
            while (!_closed && _batchCount < BatchPackets && bytes < BatchBytes && segments < BatchSegments && _scheduler.Take(out var lane) is { } packet)
            {
                _batch[_batchCount] = packet;
                _lanes[_batchCount++] = lane;
                bytes += packet.PayloadLength;
                bool small = packet.PayloadLength <= SmallPayload && staged + SmallFrame <= StagingSize;
                if (!small || !lastWasSmall)
                    segments++;
                if (small)
                    staged += SmallFrame;
                lastWasSmall = small;
            }
            // Found empty and given up under one lock: whoever adds a packet after this finds nobody sending, and what is in the batch from then on is theirs.
            empty = _batchCount == 0;
            if (empty)
                stopped = StopLocked();
        }
        if (empty)
        {
            stopped?.TrySetResult();
            return false;
        }
        SealBatch();
        Advance(_transport.TrySend(_segments));
        return true;
    }

    /// <summary>Nobody sends from here on; returns whom to tell that the queue is dry, after the lock.</summary>
    private TaskCompletionSource? StopLocked()
    {
        _sender = Sender.Nobody;
        var dry = _dry;
        _dry = null;
        if (_closed)
            _handOver.Set();
        return dry;
    }

    private void SealBatch()
    {
        int staged = 0;
        for (int i = 0; i < _batchCount; i++)
        {
            int queued = _batch[i].PayloadLength;
            int footprint = _batch[i].Footprint; // sealing may put another buffer in its place
            var frame = _writer.Seal(ref _batch[i]);
            if (_lanes[i] is { } lane)
                lane.Sealed += footprint;
            if (_batchCount > 1 && queued <= SmallPayload && staged + frame.Count <= StagingSize)
            {
                _staging ??= ArrayPool<byte>.Shared.Rent(StagingSize);
                frame.AsSpan().CopyTo(_staging.AsSpan(staged));
                int last = _segments.Count - 1;
                if (last >= 0 && _segments[last].Array == _staging)
                    _segments[last] = new ArraySegment<byte>(_staging, _segments[last].Offset, _segments[last].Count + frame.Count);
                else
                    _segments.Add(new ArraySegment<byte>(_staging, staged, frame.Count));
                staged += frame.Count;
            }
            else
            {
                _segments.Add(frame);
            }
        }
        _owner.OnSealed();
    }

    /// <summary>Drops what was sent from the front of _segments.</summary>
    private void Advance(int sent)
    {
        int whole = 0;
        while (whole < _segments.Count && sent >= _segments[whole].Count)
            sent -= _segments[whole++].Count;
        if (whole > 0)
            _segments.RemoveRange(0, whole);
        if (sent > 0)
            _segments[0] = _segments[0].Slice(sent);
    }

    private void CompleteBatch()
    {
        int count = _batchCount;
        for (int i = 0; i < count; i++)
            _batch[i].Return();
        ReturnStaging();
        lock (_lock)
        {
            for (int i = 0; i < count; i++)
            {
                if (_lanes[i] is { } lane)
                {
                    lane.Queued -= lane.Sealed;
                    lane.Sealed = 0;
                }
            }
        }
        _batchCount = 0;
        for (int i = 0; i < count; i++)
        {
            var lane = _lanes[i];
            _lanes[i] = null;
            if (lane is not null && (i + 1 == count || _lanes[i + 1] != lane))
                lane.NotifyRoom();
        }
    }

    private void ReturnStaging()
    {
        if (_staging is not { } staging)
            return;
        _staging = null;
        ArrayPool<byte>.Shared.Return(staging);
    }

    private void Fail(Exception e)
    {
        for (int i = 0; i < _batchCount; i++)
        {
            _batch[i].Return();
            _lanes[i] = null;
        }
        _batchCount = 0;
        _segments.Clear();
        ReturnStaging();
        _owner.OnSendFault(e);
        Close();
        lock (_lock)
            StopLocked();
    }
}

/// <summary>What a <see cref="SendQueue"/> tells its transport. Called by whoever is sending; must not block.</summary>
internal interface ISendQueueOwner
{
    /// <summary>A batch was sealed: time to see whether new keys are due.</summary>
    void OnSealed();

    /// <summary>Sending failed; the connection is over.</summary>
    void OnSendFault(Exception fault);
}
