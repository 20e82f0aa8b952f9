namespace Adit.Ssh.Connection;

/// <summary>Channels by our number. Numbers are reused, lowest first, only after the channel was removed. Adding and removing lock; looking up does not.</summary>
internal sealed class ChannelTable(int limit)
{
    private readonly Lock _lock = new();
    private readonly PriorityQueue<uint, uint> _free = new();
    private SshChannel?[] _channels = new SshChannel?[8];
    private uint _next;

    public int Count { get; private set; }

    /// <summary>The most that may be open at once.</summary>
    public int Limit => limit;

    /// <summary>Channels that were ever added.</summary>
    public long Added { get; private set; }

    /// <summary>Makes a channel under the next free number, or returns null when the limit is reached.</summary>
    public SshChannel? Add(Func<uint, SshChannel> make)
    {
        lock (_lock)
        {
            if (Count >= limit)
                return null;
            uint id = _free.TryDequeue(out uint reused, out _) ? reused : _next++;
            if (id >= _channels.Length)
            {
                var larger = new SshChannel?[_channels.Length * 2];
                _channels.CopyTo(larger, 0);
                Volatile.Write(ref _channels, larger);
            }
            var channel = make(id);
            Volatile.Write(ref _channels[id], channel);
            Count++;
            Added++;
            return channel;
        }
    }

    /// <summary>The channel, or null.</summary>
    public SshChannel? Find(uint id)
    {
        var channels = Volatile.Read(ref _channels);
        return id < (uint)channels.Length ? Volatile.Read(ref channels[id]) : null;
    }

    /// <summary>False when it was not there.</summary>
    public bool Remove(SshChannel channel)
    {
        lock (_lock)
        {
            if (channel.LocalId >= (uint)_channels.Length || _channels[channel.LocalId] != channel)
                return false;
            _channels[channel.LocalId] = null;
            _free.Enqueue(channel.LocalId, channel.LocalId);
            Count--;
            return true;
        }
    }

    /// <summary>Those of the channels that <paramref name="wanted"/> says.</summary>
    public List<SshChannel> FindAll(Func<SshChannel, bool> wanted)
    {
        lock (_lock)
        {
            var found = new List<SshChannel>(Count);
            foreach (var channel in _channels)
            {
                if (channel is not null && wanted(channel))
                    found.Add(channel);
            }
            return found;
        }
    }

    /// <summary>Empties the table and returns what was in it.</summary>
    public List<SshChannel> Clear()
    {
        lock (_lock)
        {
            var all = FindAll(static _ => true);
            Array.Clear(_channels);
            Count = 0;
            return all;
        }
    }
}
