using System.IO.Compression;

namespace Adit.Ssh.Transport;

/// <summary>zlib as SSH uses it (RFC 4253, section 6.2): one stream per direction, flushed at every packet.</summary>
internal sealed class PacketCompressor : IDisposable
{
    private readonly SpanSink _sink = new();
    private readonly ZLibStream _zlib;

    public PacketCompressor() => _zlib = new ZLibStream(_sink, CompressionLevel.Optimal, leaveOpen: true);

    /// <summary>Compresses one payload into a buffer of its own, which the caller returns.</summary>
    public PacketBuffer Compress(ReadOnlySpan<byte> payload, PacketPool pool)
    {
        _sink.Length = 0;
        _zlib.Write(payload);
        _zlib.Flush();
        var packet = pool.Rent(_sink.Length);
        packet.PayloadLength = _sink.Length;
        _sink.Written.CopyTo(packet.Payload);
        return packet;
    }

    public void Dispose()
    {
        _zlib.Dispose();
        _sink.Dispose();
    }

    private sealed class SpanSink : WriteOnlyStream
    {
        private byte[] _data = new byte[4096];

        public new int Length { get; set; }

        public ReadOnlySpan<byte> Written => _data.AsSpan(0, Length);

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (Length + buffer.Length > _data.Length)
                Array.Resize(ref _data, Math.Max(Length + buffer.Length, _data.Length * 2));
            buffer.CopyTo(_data.AsSpan(Length));
            Length += buffer.Length;
        }
    }
}

/// <summary>The other direction. What one packet may grow to is bounded, so a small packet cannot fill the memory.</summary>
internal sealed class PacketDecompressor : IDisposable
{
    private readonly Feed _feed = new();
    private readonly ZLibStream _zlib;
    private readonly byte[] _output = new byte[PacketPool.MaxPayload];

    public PacketDecompressor() => _zlib = new ZLibStream(_feed, CompressionMode.Decompress, leaveOpen: true);

    /// <summary>The payload in clear; valid until the next call. Throws <see cref="SshException"/> for anything that is not zlib or grows too large.</summary>
    public ReadOnlyMemory<byte> Decompress(ReadOnlySpan<byte> payload)
    {
        _feed.Set(payload);
        int length = 0;
        try
        {
            while (true)
            {
                if (length == _output.Length)
                {
                    Span<byte> extra = stackalloc byte[1];
                    if (_zlib.Read(extra) > 0)
                        throw SshException.Protocol($"compressed packet grows beyond {PacketPool.MaxPayload} bytes");
                    break;
                }
                int count = _zlib.Read(_output, length, _output.Length - length);
                if (count == 0)
                    break;
                length += count;
            }
        }
        catch (Exception e) when (e is InvalidDataException or (IOException and not SshException))
        {
            throw new SshException(SshError.ProtocolError, "compressed packet is not valid zlib data", e) { DisconnectReason = DisconnectReason.CompressionError };
        }
        return _output.AsMemory(0, length);
    }

    public void Dispose() => _zlib.Dispose();

    private sealed class Feed : Stream
    {
        private byte[] _data = new byte[4096];
        private int _start;
        private int _end;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public void Set(ReadOnlySpan<byte> payload)
        {
            if (_data.Length < payload.Length)
                _data = new byte[payload.Length];
            payload.CopyTo(_data);
            _start = 0;
            _end = payload.Length;
        }

        public override int Read(Span<byte> buffer)
        {
            int count = Math.Min(buffer.Length, _end - _start);
            _data.AsSpan(_start, count).CopyTo(buffer);
            _start += count;
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }

}

/// <summary>A stream that only takes bytes.</summary>
internal abstract class WriteOnlyStream : Stream
{
    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public abstract override void Write(ReadOnlySpan<byte> buffer);

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
