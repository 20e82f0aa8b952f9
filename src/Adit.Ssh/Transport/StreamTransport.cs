using System.Buffers;
using System.Net.Sockets;

namespace Adit.Ssh.Transport;

/// <summary>Any duplex stream: a proxy command's pipes, a channel of another connection, stdin and stdout, a test's pair.</summary>
internal sealed class StreamTransport(Stream stream) : ByteTransport
{
    private const int ReadAhead = 64 * 1024;

    private readonly CancellationTokenSource _abort = new();
    private byte[]? _buffer;
    private int _start;
    private int _end;
    private bool _ended;
    private int _aborted;

    public override int TryReceive(Span<byte> buffer)
    {
        if (_start == _end)
            return _ended ? 0 : WouldBlock;
        int count = Math.Min(buffer.Length, _end - _start);
        _buffer.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        if (_start == _end && _buffer is { } spent)
        {
            _buffer = null;
            ArrayPool<byte>.Shared.Return(spent);
        }
        return count;
    }

    public override async ValueTask WaitReadableAsync()
    {
        if (_start < _end || _ended)
            return;
        _buffer ??= ArrayPool<byte>.Shared.Rent(ReadAhead);
        _start = 0;
        _end = 0;
        var reading = stream.ReadAsync(_buffer, _abort.Token);
        int count = reading.IsCompleted ? await reading.ConfigureAwait(false) : await UntilAbortAsync(reading).ConfigureAwait(false);
        _end = count;
        _ended = count == 0;
    }

    public override int TrySend(List<ArraySegment<byte>> segments) => 0;

    public override async ValueTask<int> SendAsync(ReadOnlyMemory<byte> data)
    {
        await stream.WriteAsync(data, _abort.Token).ConfigureAwait(false);
        await stream.FlushAsync(_abort.Token).ConfigureAwait(false);
        return data.Length;
    }

    public override void ShutdownSend()
    {
        if (stream is not NetworkStream { Socket: var socket })
            return;
        try
        {
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // it is gone already
        }
    }

    public override void Abort()
    {
        if (Interlocked.Exchange(ref _aborted, 1) != 0)
            return;
        _abort.Cancel();
        stream.Dispose();
    }

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _aborted, 1) != 0)
            return;
        await _abort.CancelAsync().ConfigureAwait(false);
        await stream.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Some streams (a terminal, a process's pipe) go on reading when they are closed. Nobody waits for that then, and the buffer stays theirs.</summary>
    private async ValueTask<int> UntilAbortAsync(ValueTask<int> reading)
    {
        try
        {
            return await reading.AsTask().WaitAsync(_abort.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e)
        {
            throw new IOException("the transport was closed", e);
        }
    }
}
