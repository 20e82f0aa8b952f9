using System.Numerics;

namespace Adit.Ssh.Transport;

/// <summary>Says when this side should start a new key exchange: RekeyLimit, and what the ciphers demand (RFC 4344, section 3; RFC 4253, section 9).
/// <para>Counting outgoing packets belongs to whoever seals, incoming ones to the receive loop; <see cref="ShouldRekey"/> may be asked by either.</para></summary>
internal sealed class RekeyPolicy
{
    /// <summary>Packets in one direction after which new keys are due. As OpenSSH.</summary>
    public const long MaxPackets = 1L << 31;

    /// <summary>Packets in one direction after which the connection ends: one key must never see a sequence number twice.</summary>
    public const long HardPacketLimit = (1L << 32) - 1024;

    private volatile RekeyLimit _limit;
    private readonly TimeProvider _time;
    private readonly Direction _out = new();
    private readonly Direction _in = new();
    private long _keyedAt;
    private volatile bool _authenticated;
    private volatile bool _asked;

    public RekeyPolicy(RekeyLimit limit, TimeProvider time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit.Bytes ?? 16, 16);
        _limit = limit;
        _time = time;
        _keyedAt = time.GetTimestamp();
    }

    /// <summary>Bytes of all the packets sealed so far, under whatever keys: lengths, padding and payloads after compression, tags not counted. As OpenSSH counts.</summary>
    public long BytesSent => _out.Bytes;

    /// <summary>The same of those that were opened.</summary>
    public long BytesReceived => _in.Bytes;

    /// <summary>Blocks that may go out under the present key.</summary>
    public ulong MaxBlocksOut => _out.MaxBlocks;

    /// <summary>Blocks that may come in under the present key.</summary>
    public ulong MaxBlocksIn => _in.MaxBlocks;

    /// <summary>Login is done. Before that no rekey is started.</summary>
    public void AuthenticationCompleted() => _authenticated = true;

    /// <summary>A rekey is wanted at the next occasion.</summary>
    public void Ask() => _asked = true;

    /// <summary>From now on another limit holds, for the present keys too.</summary>
    public void Change(RekeyLimit limit)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit.Bytes ?? 16, 16);
        _limit = limit;
        _out.Limit(limit.Bytes);
        _in.Limit(limit.Bytes);
    }

    /// <summary>Outgoing packets use a new key from here on.</summary>
    public void OutboundKeyed(int blockSize) => Keyed(_out, blockSize);

    /// <summary>Incoming packets use a new key from here on.</summary>
    public void InboundKeyed(int blockSize) => Keyed(_in, blockSize);

    /// <summary>A packet of <paramref name="bytes"/> bytes (tag not counted) was sealed. Throws <see cref="SshException"/> at the hard limit.</summary>
    public void Sent(int bytes) => _out.Count(bytes);

    /// <summary>A packet of <paramref name="bytes"/> bytes (tag not counted) was opened. Throws <see cref="SshException"/> at the hard limit.</summary>
    public void Received(int bytes) => _in.Count(bytes);

    /// <summary>True when a key exchange should be started now. The caller knows whether one is in progress; at least one packet has passed since the last.</summary>
    /// <param name="nextBytes">Size of a packet about to be sent, which must still fit under the limit; 0 for none.</param>
    public bool ShouldRekey(int nextBytes = 0)
    {
        if (!_authenticated || (_out.Packets == 0 && _in.Packets == 0))
            return false;
        // One direction has its new keys, the other has not: the exchange is still on, even where the session is done with it and NEWKEYS waits to be sent.
        if (_out.Keys != _in.Keys)
            return false;
        if (_asked)
            return true;
        if (_limit.Interval is { } interval && interval > TimeSpan.Zero
            && _time.GetElapsedTime(Volatile.Read(ref _keyedAt)) >= interval)
            return true;
        return _out.Packets > MaxPackets || _in.Packets > MaxPackets || _out.IsUsedUp(nextBytes) || _in.IsUsedUp(0);
    }

    /// <summary>When <see cref="ShouldRekey"/> can become true by time alone; null without an interval.</summary>
    public TimeSpan? UntilInterval =>
        _limit.Interval is { } interval && interval > TimeSpan.Zero
            ? TimeSpan.FromTicks(Math.Max(0, (interval - _time.GetElapsedTime(Volatile.Read(ref _keyedAt))).Ticks))
            : null;

    /// <summary>Blocks under one key: 2^(2·blocksize) for blocks of 16 bytes, 1 GiB for smaller ones (and ChaCha20), or RekeyLimit when that is less.</summary>
    public static ulong MaxBlocks(int blockSize, long? limitBytes)
    {
        ulong size = (ulong)Math.Max(blockSize, 8);
        ulong blocks = size >= 16 ? 1UL << (int)Math.Min(size * 2, 62) : (1UL << 30) / size;
        return limitBytes is { } bytes ? Math.Min(blocks, Math.Max(1, (ulong)bytes / size)) : blocks;
    }

    /// <summary>Nobody can wait for two thousand million packets.</summary>
    internal void SetPacketsForTest(long sent, long received)
    {
        _out.SetPackets(sent);
        _in.SetPackets(received);
    }

    private void Keyed(Direction direction, int blockSize)
    {
        _asked = false;
        direction.Reset((ulong)Math.Max(blockSize, 8), MaxBlocks(blockSize, _limit.Bytes));
        Volatile.Write(ref _keyedAt, _time.GetTimestamp());
    }

    private sealed class Direction
    {
        private long _packets;
        private long _bytes;
        private ulong _blocks;
        private int _blockShift = 3;
        private int _keys;

        public long Packets => Volatile.Read(ref _packets);

        public long Bytes => Volatile.Read(ref _bytes);

        /// <summary>Counts the keys this direction has had.</summary>
        public int Keys => Volatile.Read(ref _keys);

        /// <summary>No limit before the first key.</summary>
        public ulong MaxBlocks { get; private set; } = ulong.MaxValue;

        public void Reset(ulong blockSize, ulong maxBlocks)
        {
            _blockShift = BitOperations.Log2(blockSize);
            MaxBlocks = maxBlocks;
            Volatile.Write(ref _blocks, 0);
            Volatile.Write(ref _packets, 0);
            Volatile.Write(ref _keys, _keys + 1);
        }

        public void Limit(long? bytes)
        {
            if (MaxBlocks != ulong.MaxValue)
                MaxBlocks = RekeyPolicy.MaxBlocks(1 << _blockShift, bytes);
        }

        public void SetPackets(long packets) => Volatile.Write(ref _packets, packets);

        public void Count(int bytes)
        {
            if (_packets >= HardPacketLimit)
                throw SshException.Protocol("sequence numbers are used up: no new keys were agreed on in time");
            Volatile.Write(ref _blocks, _blocks + ((uint)bytes >> _blockShift));
            Volatile.Write(ref _packets, _packets + 1);
            Volatile.Write(ref _bytes, _bytes + bytes);
        }

        public bool IsUsedUp(int nextBytes)
        {
            // A packet must pass in this direction under every key, however small the limit: else a large one could never leave.
            if (Packets == 0)
                return false;
            ulong next = ((uint)nextBytes + (1u << _blockShift) - 1) >> _blockShift;
            return Volatile.Read(ref _blocks) + next > MaxBlocks;
        }
    }
}
