using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Adit.Bench.Machine;

namespace Adit.Bench.Load;

/// <summary>A long wire in user space: what comes in at one end leaves at the other after half the round trip time, at whatever rate it came. Nothing is lost and
/// nothing is held back, as long as what is on its way fits the queue (2.5 GB/s). Setting up a TCP connection across it costs no round trip.</summary>
internal sealed class DelayedLink : IDisposable
{
    private readonly Socket _listener;
    private readonly TimeSpan _oneWay;
    private readonly Counter _up = new();
    private readonly Counter _down = new();

    public DelayedLink(int target, TimeSpan roundTrip)
    {
        _oneWay = roundTrip / 2;
        _listener = Sockets.Listen(out int port);
        Port = port;
        Sockets.StartThread("link", () => Sockets.AcceptFor(_listener, target, Carry));
    }

    public int Port { get; }

    /// <summary>Bytes that entered it on the way to the target.</summary>
    public long BytesUp => Volatile.Read(ref _up.Value);

    /// <summary>Bytes that entered it on the way back.</summary>
    public long BytesDown => Volatile.Read(ref _down.Value);

    public void Dispose() => _listener.Dispose();

    private void Carry(Socket near, Socket far)
    {
        var users = new Counter { Value = 2 };
        new Direction(near, far, _oneWay, _up, users).Start();
        new Direction(far, near, _oneWay, _down, users).Start();
    }

    private sealed class Counter
    {
        public long Value;
    }

    /// <summary>One direction of one connection: a ring of bytes, and a queue of how many of them are due when.</summary>
    private sealed unsafe class Direction
    {
        private const double QueuedBytesPerSecond = 2.5e9;
        private const int LeastQueue = 8 * 1024 * 1024;

        private readonly Socket _from;
        private readonly Socket _to;
        private readonly TimeSpan _delay;
        private readonly Counter _count;
        private readonly Counter _users;
        private readonly Queue<(long Due, int Count)> _arrivals = new();
        private readonly int _size;
        private readonly byte* _ring;
        private long _in;
        private long _out;
        private bool _broken;

        public Direction(Socket from, Socket to, TimeSpan delay, Counter count, Counter users)
        {
            _from = from;
            _to = to;
            _delay = delay;
            _count = count;
            _users = users;
            _size = LeastQueue + (int)(delay.TotalSeconds * QueuedBytesPerSecond);
            _ring = (byte*)NativeMemory.Alloc((nuint)_size); // the system gives pages as they are touched
        }

        public void Start()
        {
            int threads = 2;
            Sockets.StartThread("link in", () => Run(Receive, ref threads));
            Sockets.StartThread("link out", () => Run(Send, ref threads));
        }

        private void Run(Action work, ref int threads)
        {
            try
            {
                work();
            }
            catch (SocketException)
            {
                _from.Stop();
                _to.Stop();
                lock (_arrivals)
                {
                    _broken = true;
                    _arrivals.Enqueue((0, 0));
                    Monitor.PulseAll(_arrivals);
                }
            }
            finally
            {
                if (Interlocked.Decrement(ref threads) == 0)
                {
                    NativeMemory.Free(_ring);
                    if (Interlocked.Decrement(ref _users.Value) == 0)
                    {
                        _from.Dispose();
                        _to.Dispose();
                    }
                }
            }
        }

        private void Receive()
        {
            int count;
            do
            {
                int at = (int)(_in % _size);
                int room;
                lock (_arrivals)
                {
                    while (_in - _out == _size && !_broken)
                        Monitor.Wait(_arrivals);
                    if (_broken)
                        return;
                    room = (int)Math.Min(_size - (_in - _out), _size - at);
                }

                count = _from.Receive(new Span<byte>(_ring + at, Math.Min(room, Payload.Chunk)));
                _in += count;
                Interlocked.Add(ref _count.Value, count);
                lock (_arrivals)
                {
                    _arrivals.Enqueue((Stopwatch.GetTimestamp() + (long)(_delay.TotalSeconds * Stopwatch.Frequency), count));
                    Monitor.PulseAll(_arrivals);
                }
            }
            while (count > 0);
        }

        private void Send()
        {
            while (true)
            {
                long due;
                lock (_arrivals)
                {
                    while (_arrivals.Count == 0)
                        Monitor.Wait(_arrivals);
                    due = _arrivals.Peek().Due;
                }

                Native.Sleep(Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), due));
                int at = (int)(_out % _size);
                int count = 0;
                bool ends = false;
                long now = Stopwatch.GetTimestamp();
                lock (_arrivals)
                {
                    // Whatever else is due by now, as far as it lies in one piece.
                    while (_arrivals.TryPeek(out var next) && next.Due <= now && at + count + next.Count <= _size && !ends)
                    {
                        _arrivals.Dequeue();
                        count += next.Count;
                        ends = next.Count == 0;
                    }

                    if (_broken)
                        return;
                }

                if (count > 0)
                {
                    _to.SendAll(new ReadOnlySpan<byte>(_ring + at, count));
                    lock (_arrivals)
                    {
                        _out += count;
                        Monitor.PulseAll(_arrivals);
                    }
                }

                if (ends)
                {
                    _to.Shutdown(SocketShutdown.Send);
                    return;
                }
            }
        }
    }
}
