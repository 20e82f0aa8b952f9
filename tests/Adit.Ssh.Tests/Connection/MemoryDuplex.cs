using System.Threading.Channels;

namespace Adit.Ssh.Tests.Connection;

/// <summary>Two ends of a byte pipe in memory. What is written at one end is read at the other, cut into pieces as <see cref="MaxRead"/> says;
/// with a bound, a writer waits while too much is unread.</summary>
internal sealed class MemoryDuplex : Stream
{
    private readonly Channel<byte[]> _incoming;
    private readonly Channel<byte[]> _outgoing;
    private ReadOnlyMemory<byte> _current;

    private MemoryDuplex(Channel<byte[]> incoming, Channel<byte[]> outgoing) => (_incoming, _outgoing) = (incoming, outgoing);

    /// <summary>The most that one read returns; 1 makes everything arrive byte by byte.</summary>
    public int MaxRead { get; set; } = int.MaxValue;

    /// <summary>Bytes written so far.</summary>
    public long Written { get; private set; }

    public static (MemoryDuplex A, MemoryDuplex B) Pair(int maxRead = int.MaxValue, int capacity = 64)
    {
        var there = Channel.CreateBounded<byte[]>(capacity);
        var back = Channel.CreateBounded<byte[]>(capacity);
        return (new MemoryDuplex(back, there) { MaxRead = maxRead }, new MemoryDuplex(there, back) { MaxRead = maxRead });
    }

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_current.IsEmpty)
        {
            try
            {
                _current = await _incoming.Reader.ReadAsync(cancellationToken);
            }
            catch (ChannelClosedException)
            {
                return 0;
            }
        }
        int count = Math.Min(Math.Min(buffer.Length, MaxRead), _current.Length);
        _current[..count].CopyTo(buffer);
        _current = _current[count..];
        return count;
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            await _outgoing.Writer.WriteAsync(buffer.ToArray(), cancellationToken);
            Written += buffer.Length;
        }
        catch (ChannelClosedException e)
        {
            throw new IOException("the other end is closed", e);
        }
    }

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        _outgoing.Writer.TryComplete();
        _incoming.Writer.TryComplete();
        base.Dispose(disposing);
    }
}
