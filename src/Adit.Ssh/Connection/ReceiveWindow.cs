namespace Adit.Ssh.Connection;

/// <summary>How much the peer may send us on a channel: debited when data arrives, credited when it was delivered or discarded. Where the budget
/// was short it starts small and doubles up to the usual size as it is used. From there it doubles when the way to the peer and back is what limits the channel
/// (a whole window was consumed in little more than one round trip), the sink kept up and the budget agrees.
/// On a short way it stays at the usual size: a larger one would only move the queue into the peer's memory. Not thread-safe: the channel locks around it.</summary>
internal struct ReceiveWindow
{
    /// <summary>A window that was used up within this many round trips was too small.</summary>
    private const double LimitingRoundTrips = 1.5;

    /// <summary>Credit worth a message, however large the window: what is held back for longer is missing on a long way.</summary>
    private const int LargestHeldCredit = 512 * 1024;

    private readonly WindowBudget _budget;
    private readonly RoundTripClock _clock;
    private readonly int _usual;
    private readonly int _ceiling;
    private int _size;
    private long _remaining;
    private long _consumed;
    private long _consumedAtThisSize;
    private long _owed; // of the size, not yet granted
    private bool _backlogged;
    private long _sizedAt;

    public ReceiveWindow(WindowBudget budget, RoundTripClock clock, int usual, int ceiling)
    {
        _usual = usual;
        _clock = clock;
        _sizedAt = clock.Now;
        _budget = budget;
        _ceiling = ceiling;
        _size = budget.ReserveInitial(usual);
        _remaining = _size;
    }

    /// <summary>What the peer has been granted at most.</summary>
    public readonly int Size => _size;

    /// <summary>What the peer may still send.</summary>
    public readonly long Remaining => _remaining;

    /// <summary>Data arrived. More than was granted breaks the protocol.</summary>
    public void Debit(int bytes)
    {
        if (bytes > _remaining)
            throw SshException.Protocol($"peer ignored channel window: {bytes} bytes sent into {_remaining}");
        _remaining -= bytes;
    }

    /// <summary>The sink could not take everything at once: no reason to grow for a while.</summary>
    public void OnBacklog() => _backlogged = true;

    /// <summary>Data was delivered or discarded; returns what to grant the peer now (0: not yet worth a message).</summary>
    public uint Credit(int bytes)
    {
        _consumed += bytes;
        _consumedAtThisSize += bytes;
        if (_consumed < Math.Min(_size / 4, LargestHeldCredit))
            return 0;
        long grant = _consumed;
        _consumed = 0;
        if (_consumedAtThisSize >= _size)
            _owed += Grow();
        // Growth is granted no faster than data is consumed. A whole new window at once would have the peer fill a buffer with it, and OpenSSH's sshd, whose buffers end
        // at 16 MiB, moves all of a full one to the front for each packet: it then stays too slow ever to drain it.
        long growth = Math.Min(grant, _owed);
        _owed -= growth;
        grant += growth;
        _remaining += grant;
        return (uint)grant;
    }

    /// <summary>Gives the window back to the budget.</summary>
    public void Release()
    {
        _budget.Release(_size);
        _size = 0;
    }

    private int Grow()
    {
        bool small = _size < _usual;
        bool wanted = !_backlogged && (small || _clock.RoundTripsSince(_sizedAt) <= LimitingRoundTrips);
        _consumedAtThisSize = 0;
        _backlogged = false;
        _sizedAt = _clock.Now;
        int more = Math.Min(_size, (small ? _usual : _ceiling) - _size);
        if (!wanted || more <= 0 || !(small ? _budget.TryReserveUsual(more) : _budget.TryReserveMore(more)))
            return 0;
        _size += more;
        return more;
    }
}
