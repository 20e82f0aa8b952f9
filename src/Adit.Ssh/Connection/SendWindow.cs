namespace Adit.Ssh.Connection;

/// <summary>How much the peer lets us send on a channel (RFC 4254, section 5.2). Arithmetic in 64 bits, checked.</summary>
internal struct SendWindow
{
    private long _available;

    public SendWindow(uint initial, uint maximumPacket)
    {
        if (maximumPacket == 0)
            throw SshException.Protocol("the peer's maximum packet size is 0");
        _available = initial;
        MaximumPacket = (int)Math.Min(maximumPacket, int.MaxValue);
    }

    /// <summary>The largest piece of data the peer takes in one message.</summary>
    public int MaximumPacket { get; }

    /// <summary>Bytes that may be sent now.</summary>
    public readonly long Available => _available;

    /// <summary>The peer grants more. Beyond 2^32-1 in all it breaks the protocol.</summary>
    public void Add(uint bytes)
    {
        if (_available + bytes > uint.MaxValue)
            throw SshException.Protocol($"window adjust of {bytes} overflows a window of {_available}");
        _available += bytes;
    }

    /// <summary>We send; never more than <see cref="Available"/>.</summary>
    public void Take(int bytes)
    {
        if (bytes < 0 || bytes > _available)
            throw new InvalidOperationException("more was sent than the window allows");
        _available -= bytes;
    }
}
