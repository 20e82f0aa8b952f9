namespace Adit.Ssh.Transport;

/// <summary>Decides which packet leaves next. Key exchange first, then control messages in order, then the lanes by deficit round robin, where a lane that
/// has just become active goes before those that keep sending (so a keystroke does not wait behind bulk). Not thread-safe: the queue locks around it.</summary>
internal sealed class SendScheduler
{
    /// <summary>Bytes a lane may send per turn: one full packet of a 32 KiB peer.</summary>
    private const int Quantum = 33 * 1024;

    private PacketList _kex;
    private PacketList _control;
    private LaneList _new;
    private LaneList _old;

    /// <summary>While true only key-exchange packets leave (RFC 4253, section 7.1).</summary>
    public bool Blocked { get; set; }

    /// <summary>Control messages waiting.</summary>
    public int ControlCount => _control.Count;

    /// <summary>Memory of the control messages waiting.</summary>
    public long ControlBytes { get; private set; }

    /// <summary>Memory of lanes' packets that wait here.</summary>
    public long LaneBytes { get; private set; }

    public bool HasWork => !_kex.IsEmpty || (!Blocked && (!_control.IsEmpty || !_new.IsEmpty || !_old.IsEmpty));

    public void AddKex(PacketBuffer packet) => _kex.Append(packet);

    public void AddControl(PacketBuffer packet)
    {
        _control.Append(packet);
        ControlBytes += packet.Footprint;
    }

    public void Add(SendLane lane, PacketBuffer packet)
    {
        lane.Append(packet);
        LaneBytes += packet.Footprint;
        if (lane.State == SendLane.LaneState.Idle)
        {
            lane.State = SendLane.LaneState.New;
            lane.Deficit = Quantum;
            _new.Append(lane);
        }
    }

    /// <summary>The next packet and the lane it came from (null for key exchange and control), or null when nothing may leave.</summary>
    public PacketBuffer? Take(out SendLane? lane)
    {
        lane = null;
        if (_kex.Take() is { } kex)
            return kex;
        if (Blocked)
            return null;
        if (_control.Take() is { } control)
        {
            ControlBytes -= control.Footprint;
            return control;
        }
        while (true)
        {
            bool isNew = !_new.IsEmpty;
            var next = isNew ? _new.Head : _old.Head;
            if (next is null)
                return null;
            // Before it may leave the list: what it sent beyond its turn is held against it, also when it waits for more with nothing queued.
            if (next.Deficit <= 0)
            {
                next.Deficit += Quantum;
                Remove(isNew);
                MoveToOld(next);
                continue;
            }
            if (next.Head is null)
            {
                // An emptied new lane passes through the old list once, so that it cannot starve the others by coming back as new each time.
                Remove(isNew);
                if (isNew)
                    MoveToOld(next);
                else
                    next.State = SendLane.LaneState.Idle;
                continue;
            }
            var packet = next.TakeHead();
            next.Deficit -= packet.PayloadLength;
            LaneBytes -= packet.Footprint;
            lane = next;
            return packet;
        }
    }

    /// <summary>Takes whatever is left, allowed or not; for the end of the connection.</summary>
    public PacketBuffer? TakeAny()
    {
        Blocked = false;
        return Take(out _);
    }

    private void Remove(bool fromNew)
    {
        if (fromNew)
            _new.Take();
        else
            _old.Take();
    }

    private void MoveToOld(SendLane lane)
    {
        lane.State = SendLane.LaneState.Old;
        _old.Append(lane);
    }

    private struct LaneList
    {
        private SendLane? _tail;

        public SendLane? Head { get; private set; }

        public readonly bool IsEmpty => Head is null;

        public void Append(SendLane lane)
        {
            lane.Next = null;
            if (_tail is null)
                Head = lane;
            else
                _tail.Next = lane;
            _tail = lane;
        }

        public void Take()
        {
            var lane = Head!;
            Head = lane.Next;
            if (Head is null)
                _tail = null;
            lane.Next = null;
        }
    }
}
