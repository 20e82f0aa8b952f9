using System.Buffers;
using System.Buffers.Binary;
using Adit.Ssh.Cryptography;

namespace Adit.Ssh.Transport;

/// <summary>Finds, checks and opens packets in the connection's sliding receive buffer, in place. An idle connection holds no buffer.</summary>
/// <param name="rekey">Counts what comes in.</param>
/// <param name="bare">Packets come from a process of the same machine that has the connection: in clear and without padding.</param>
internal sealed class PacketReader(RekeyPolicy rekey, bool bare = false) : IDisposable
{
    /// <summary>How much is received at once at most.</summary>
    public const int ReceiveSize = 256 * 1024;

    /// <summary>And at first. It grows while receives come back full, so only bulk has large buffers; before login it does not grow, so that a stranger who stops
    /// in the middle of a packet holds little.</summary>
    public const int FirstReceiveSize = 16 * 1024;

    /// <summary>Behind a packet of this size as many of its kind are received as fit and no part of another, which would have to be moved to the front: a stream would be copied once more.</summary>
    private const int LargePacket = 16 * 1024;

    /// <summary>So many receives in a row that used a sixteenth or less make it half as large again.</summary>
    private const int SmallReceives = 16;

    /// <summary>The largest packet_length accepted (RFC 4253 section 6.1 demands 35000; OpenSSH takes 256 KiB, and so do we once logged in).</summary>
    public const int MaxPacketLength = 256 * 1024;

    /// <summary>The same before login, when a peer has no claim on our memory.</summary>
    public const int MaxPacketLengthBeforeLogin = 64 * 1024;

    private const int ClearBlockSize = 8;
    private const int MinPacketLength = 5;
    private const int MinBarePacketLength = 2;

    private byte[] _buffer = [];
    private int _start;
    private int _end;
    private int _receiveSize = FirstReceiveSize;
    private int _smallReceives;
    private int _packetLength = -1;
    private int _lastTotal;
    private int _room;
    private PacketOpener? _opener;
    private PacketDecompressor? _decompressor;
    private string _compression = "none";
    private volatile bool _authenticated;
    private bool _holdsSecrets;

    /// <summary>The number the next packet is opened with.</summary>
    public uint Sequence { get; private set; }

    /// <summary>Lower before login.</summary>
    public int PacketLengthLimit { get; set; } = MaxPacketLengthBeforeLogin;

    /// <summary>True when the payload just read lies in memory that the next packet overwrites.</summary>
    public bool PayloadIsTransient { get; private set; }

    public bool IsEmpty => _start == _end;

    /// <summary>Bytes that have arrived and were not consumed; for the version exchange.</summary>
    public ReadOnlySpan<byte> Unread => _buffer.AsSpan(_start, _end - _start);

    public void Consume(int count) => _start += count;

    /// <summary>Room to receive into; call <see cref="Received"/> with what came. Slides what is left to the front, at most one unfinished packet.</summary>
    public Span<byte> GetReceiveSpan()
    {
        int unread = _end - _start;
        int wanted = Math.Max(_receiveSize, Math.Max(_packetLength, 0) + 512);
        if (_buffer.Length == 0)
        {
            _buffer = ArrayPool<byte>.Shared.Rent(wanted);
            _start = 0;
            _end = 0;
        }
        else if (_start > 0 || _buffer.Length < wanted)
        {
            byte[] target = _buffer.Length < wanted ? ArrayPool<byte>.Shared.Rent(wanted) : _buffer;
            _buffer.AsSpan(_start, unread).CopyTo(target);
            if (target != _buffer)
                ReturnBuffer();
            _buffer = target;
            _start = 0;
            _end = unread;
        }
        _room = WholePackets() - _end;
        return _buffer.AsSpan(_end, _room);
    }

    public void Received(int count)
    {
        bool full = count == _room;
        _end += count;
        if (full && _authenticated)
        {
            _receiveSize = Math.Min(_receiveSize * 4, ReceiveSize);
            _smallReceives = 0;
        }
        else if (count > _receiveSize / 16)
        {
            _smallReceives = 0;
        }
        else if (++_smallReceives == SmallReceives)
        {
            _receiveSize = Math.Max(_receiveSize / 2, FirstReceiveSize);
            _smallReceives = 0;
        }
    }

    /// <summary>Forgets what has arrived: the connection is over.</summary>
    public void Discard() => _start = _end;

    /// <summary>Gives the buffer back while there is nothing in it.</summary>
    public void ReleaseIfEmpty()
    {
        if (_start != _end || _buffer.Length == 0)
            return;
        ReturnBuffer();
        _buffer = [];
        _start = 0;
        _end = 0;
    }

    /// <summary>The next whole packet's payload, in clear and in place; false when more bytes are needed. Throws <see cref="SshException"/> when it is malformed or was tampered with.</summary>
    public bool TryRead(out ReadOnlyMemory<byte> payload)
    {
        payload = default;
        int header = _opener?.HeaderLength ?? 4;
        int available = _end - _start;
        if (available < header)
            return false;
        if (_packetLength < 0)
            _packetLength = ReadPacketLength(header);
        int tag = _opener?.TagLength ?? 0;
        int total = 4 + _packetLength + tag;
        if (available < total)
            return false;

        var frame = _buffer.AsSpan(_start, total);
        if (_opener is not null && !_opener.Open(Sequence, frame))
            throw new SshException(SshError.IntegrityError, "Corrupted MAC on input.") { DisconnectReason = DisconnectReason.MacError };
        int padding = frame[4];
        if (bare ? padding != 0 : padding < 4 || padding > _packetLength - 2)
            throw SshException.Protocol($"Corrupted padlen {padding} on input.");
        int offset = _start + PacketBuffer.PayloadOffset;
        int length = _packetLength - 1 - padding;
        _start += total;
        _packetLength = -1;
        _lastTotal = total;
        Sequence = unchecked(Sequence + 1);
        rekey.Received(total - tag);
        _holdsSecrets |= !_authenticated; // passwords pass through here before login

        if (_authenticated && _compression != "none")
        {
            _decompressor ??= new PacketDecompressor();
            payload = _decompressor.Decompress(_buffer.AsSpan(offset, length));
            if (payload.IsEmpty)
                throw SshException.Protocol("packet has no payload");
        }
        else
        {
            payload = _buffer.AsMemory(offset, length);
        }
        PayloadIsTransient = _authenticated && _compression != "none";
        return true;
    }

    /// <summary>SSH_MSG_NEWKEYS arrived: everything behind it is opened with these keys.</summary>
    public void Switch(PacketOpener opener, string compression, bool resetSequence)
    {
        _opener?.Dispose();
        _opener = opener;
        _decompressor?.Dispose();
        _decompressor = null;
        _compression = compression;
        if (resetSequence)
            Sequence = 0;
        rekey.InboundKeyed(opener.BlockSize);
    }

    /// <summary>Login is done: delayed compression starts with the next packet, and full-size packets are welcome.</summary>
    public void OnAuthenticated()
    {
        _authenticated = true;
        PacketLengthLimit = MaxPacketLength;
    }

    public void Dispose()
    {
        _opener?.Dispose();
        _decompressor?.Dispose();
        if (_buffer.Length > 0)
            ReturnBuffer();
        _buffer = [];
    }

    /// <summary>Where in the buffer the last packet ends that fits, if those to come are like the one before; the buffer's end while packets are small. What is unread begins at the front.</summary>
    private int WholePackets()
    {
        if (_lastTotal < LargePacket)
            return _buffer.Length;
        int first = _packetLength < 0 ? 0 : 4 + _packetLength + (_opener?.TagLength ?? 0);
        int end = first + (_buffer.Length - first) / _lastTotal * _lastTotal;
        return end > _end ? end : _buffer.Length;
    }

    private void ReturnBuffer()
    {
        ArrayPool<byte>.Shared.Return(_buffer, clearArray: _holdsSecrets);
        _holdsSecrets = false;
    }

    private int ReadPacketLength(int header)
    {
        var span = _buffer.AsSpan(_start, header);
        uint length = _opener?.OpenLength(Sequence, span) ?? BinaryPrimitives.ReadUInt32BigEndian(span);
        if (length < (bare ? MinBarePacketLength : MinPacketLength) || length > (uint)PacketLengthLimit)
            throw SshException.Protocol($"Bad packet length {length}.");
        if (bare)
            return (int)length;
        int block = _opener?.BlockSize ?? ClearBlockSize;
        int padded = (int)length + (_opener is { LengthIsOutside: true } ? 0 : 4);
        if (padded % block != 0)
            throw SshException.Protocol($"padding error: need {padded} block {block} mod {padded % block}");
        return (int)length;
    }
}
