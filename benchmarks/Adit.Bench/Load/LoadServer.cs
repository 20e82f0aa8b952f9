using System.Buffers.Binary;
using System.Net.Sockets;

namespace Adit.Bench.Load;

/// <summary>What a connection to a <see cref="LoadServer"/> is for.</summary>
internal enum Work : byte
{
    /// <summary>The server sends until the connection is closed.</summary>
    Down,

    /// <summary>The server throws away what it gets, and counts.</summary>
    Up,

    /// <summary>The server sends so many bytes of the payload and ends.</summary>
    SendExactly,

    /// <summary>The server compares what it gets with the payload up to its end and answers with how much of it was right (8 bytes).</summary>
    ReceiveExactly,
}

/// <summary>The service behind the tunnel: a set of threads, each of which accepts a connection, serves it to its end, and accepts the next.
/// <code>
/// request, unless the service only echoes:  byte work | int32 stream | int64 length   (little-endian)
/// </code></summary>
internal sealed class LoadServer : IDisposable
{
    public const int RequestLength = 13;
    private const int MaxStreams = 1024;

    // One counter per stream, each on cache lines of its own.
    private const int Stride = 16;

    // What is only counted may land in one place: it stays in the cache, however many streams there are.
    private static readonly byte[] Bin = new byte[Payload.Chunk];

    private readonly Socket _listener;
    private readonly HashSet<Socket> _open = [];
    private readonly long[] _received = new long[MaxStreams * Stride];
    private readonly bool _echo;
    private int _nextStream;
    private bool _stopped;

    private LoadServer(int threads, bool echo, Payload payload)
    {
        _echo = echo;
        Payload = payload;
        _listener = Sockets.Listen(out int port);
        Port = port;
        for (int i = 0; i < threads; i++)
            Sockets.StartThread("service", AcceptLoop);
    }

    public int Port { get; }

    /// <summary>What streams carry, both ways.</summary>
    public Payload Payload { get; }

    /// <summary>Sends back what it gets, on so many connections at once.</summary>
    public static LoadServer Echo(int threads) => new(threads, echo: true, Payload.Noise);

    /// <summary>Moves bulk data, on so many connections at once.</summary>
    public static LoadServer Bulk(int threads, Payload? payload = null) => new(threads, echo: false, payload ?? Payload.Noise);

    /// <summary>A number for a new <see cref="Work.Up"/> stream: what is left of an earlier one shall not be counted with it.</summary>
    public int NewStream() => (int)((uint)Interlocked.Increment(ref _nextStream) % MaxStreams);

    /// <summary>Bytes that came in on an <see cref="Work.Up"/> stream since the server started.</summary>
    public long Received(int stream) => Volatile.Read(ref _received[stream * Stride]);

    public static void SendRequest(Socket socket, Work work, int stream = 0, long length = 0)
    {
        Span<byte> request = stackalloc byte[RequestLength];
        request[0] = (byte)work;
        BinaryPrimitives.WriteInt32LittleEndian(request[1..], stream);
        BinaryPrimitives.WriteInt64LittleEndian(request[5..], length);
        socket.SendAll(request);
    }

    /// <summary>Sends the payload's first bytes.</summary>
    public static void SendPayload(Socket socket, Payload payload, long length)
    {
        for (long sent = 0; sent < length;)
            sent += socket.Send(payload.At(sent, (int)Math.Min(Payload.Chunk, length - sent)));
    }

    /// <summary>Compares what arrives with the payload and returns how many bytes were right, up to the end or the first wrong one.</summary>
    public static long ReceivePayload(Socket socket, Payload payload)
    {
        var buffer = new byte[Payload.Chunk];
        long received = 0;
        for (int count; (count = socket.Receive(buffer)) > 0; received += count)
        {
            if (!buffer.AsSpan(0, count).SequenceEqual(payload.At(received, count)))
                return received + buffer.AsSpan(0, count).CommonPrefixLength(payload.At(received, count));
        }

        return received;
    }

    /// <summary>Receives into nowhere until the end, keeping count.</summary>
    public static void Discard(Socket socket, ref long counter)
    {
        for (int count; (count = socket.Receive(Bin)) > 0;)
            Volatile.Write(ref counter, counter + count);
    }

    public void Dispose()
    {
        lock (_open)
        {
            _stopped = true;
            foreach (var socket in _open)
                socket.Stop();
        }

        _listener.Dispose();
    }

    private void AcceptLoop()
    {
        while (true)
        {
            using var socket = _listener.Accept();
            lock (_open)
            {
                if (_stopped)
                    return;
                _open.Add(socket);
            }

            try
            {
                socket.NoDelay = true;
                Serve(socket);
            }
            catch (Exception e) when (e is SocketException or EndOfStreamException)
            {
                // The client is done with it.
            }
            finally
            {
                lock (_open)
                    _open.Remove(socket);
            }
        }
    }

    private void Serve(Socket socket)
    {
        if (_echo)
        {
            Span<byte> buffer = stackalloc byte[16 * 1024];
            for (int count; (count = socket.Receive(buffer)) > 0;)
                socket.SendAll(buffer[..count]);
            return;
        }

        Span<byte> request = stackalloc byte[RequestLength];
        socket.ReceiveAll(request);
        int stream = BinaryPrimitives.ReadInt32LittleEndian(request[1..]);
        long length = BinaryPrimitives.ReadInt64LittleEndian(request[5..]);
        switch ((Work)request[0])
        {
            case Work.Down:
                SendPayload(socket, Payload, long.MaxValue);
                break;
            case Work.Up:
                Discard(socket, ref _received[stream * Stride]);
                break;
            case Work.SendExactly:
                SendPayload(socket, Payload, length);
                socket.Shutdown(SocketShutdown.Send);
                Discard(socket, ref length);
                break;
            case Work.ReceiveExactly:
                Span<byte> answer = stackalloc byte[8];
                BinaryPrimitives.WriteInt64LittleEndian(answer, ReceivePayload(socket, Payload));
                socket.SendAll(answer);
                break;
        }
    }
}
