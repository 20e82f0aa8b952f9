namespace Adit.Ssh.Transport;

/// <summary>Where one channel's packets wait for their turn. Packets of a lane leave in order; lanes take turns.</summary>
internal sealed class SendLane(Action roomMade)
{
    internal PacketBuffer? Head;
    internal PacketBuffer? Tail;
    internal SendLane? Next;
    internal LaneState State;

    /// <summary>Bytes it may still send in this round of the deficit round robin.</summary>
    internal int Deficit;

    /// <summary>Memory of the packets queued or being sent.</summary>
    internal int Queued;

    /// <summary>Memory of those in the batch that is being sent; only the sender touches it.</summary>
    internal int Sealed;

    internal enum LaneState : byte
    {
        /// <summary>Has nothing to send and is in no list.</summary>
        Idle,
        /// <summary>Has just become active: goes before those that have been sending for long.</summary>
        New,
        /// <summary>Has used up a quantum.</summary>
        Old,
    }

    internal void Append(PacketBuffer packet)
    {
        if (Tail is null)
            Head = packet;
        else
            Tail.Next = packet;
        Tail = packet;
        Queued += packet.Footprint;
    }

    internal PacketBuffer TakeHead()
    {
        var packet = Head!;
        Head = packet.Next;
        if (Head is null)
            Tail = null;
        packet.Next = null;
        return packet;
    }

    /// <summary>Called outside all locks when packets of this lane have left. Must not block.</summary>
    internal void NotifyRoom() => roomMade();
}
