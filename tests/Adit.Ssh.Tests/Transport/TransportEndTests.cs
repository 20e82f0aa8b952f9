using System.Net.Sockets;
using Adit.Ssh.Connection;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Tests.Connection;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Transport;

/// <summary>However a connection ends, it ends: nothing that fails on the way keeps the rest from being told or set free.</summary>
public class TransportEndTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);
    private static readonly PrivateKey HostKey = PrivateKey.Generate("ssh-ed25519");

    [Fact]
    public async Task WhoeverComesAfterTheEndLearnsTheReason()
    {
        var pair = await ConnectionPair.ConnectAsync();
        await pair.ServerTransport.DisposeAsync();
        await pair.ClientTransport.Completion.WaitAsync(Deadline);
        Assert.True(pair.ClientTransport.Ended.IsCancellationRequested);

        // The end may come between the key exchange and login, before there is a connection layer.
        var late = new SshConnection(pair.ClientTransport, new ConnectionOptions());
        Assert.Equal(SshError.Disconnected, (await Assert.ThrowsAsync<SshException>(() => late.OpenAsync("test", default, new ChannelStream(), default).WaitAsync(Deadline))).Error);
        Assert.Equal(SshError.Disconnected, (await Assert.ThrowsAsync<SshException>(() => late.Requests.RequestAsync("x", []).WaitAsync(Deadline))).Error);
        await pair.DisposeAsync();
    }

    // A connection that ends just as login succeeds must not stay in the heartbeat's list for ever.
    [Fact]
    public async Task KeepalivesThatStartAfterTheEndAreNotKept()
    {
        var time = new CountedTimers();
        var (a, b) = MemoryDuplex.Pair();
        var transport = Server(a, time);
        var handshake = transport.HandshakeAsync(default);
        var connection = new SshConnection(transport, new ConnectionOptions { KeepAliveInterval = TimeSpan.FromSeconds(1), TimeProvider = time });
        await b.DisposeAsync();
        await transport.Completion.WaitAsync(Deadline);
        await Assert.ThrowsAsync<SshException>(() => handshake);
        connection.Start();
        Assert.Equal(0, time.Live);
    }

    [Fact]
    public async Task AStreamThatCannotBeClosedDoesNotHoldUpTheEnd()
    {
        var (a, b) = MemoryDuplex.Pair();
        var transport = Server(new FaultyClose(a), TimeProvider.System);
        var handshake = transport.HandshakeAsync(default);
        transport.End(new SshException(SshError.Closed, "enough"));
        Assert.Equal("enough", (await transport.Completion.WaitAsync(Deadline)).Message);
        await Assert.ThrowsAsync<SshException>(() => handshake.WaitAsync(Deadline));
        await b.DisposeAsync();
    }

    [Fact]
    public async Task ACallbackThatThrowsDoesNotHoldUpTheEnd()
    {
        await using var pair = await ConnectionPair.ConnectAsync();
        await using var registration = pair.ServerTransport.Ended.Register(static () => throw new InvalidOperationException("somebody's callback"));
        await pair.ServerTransport.DisposeAsync().AsTask().WaitAsync(Deadline);
        await Assert.ThrowsAsync<SshException>(() => pair.Server.OpenAsync("x", default, new ChannelStream(), default).WaitAsync(Deadline));
    }

    // Reads of a terminal or a pipe to a process do not end when the stream is closed.
    [Fact]
    public async Task AReadThatNeverEndsDoesNotHoldUpTheEnd()
    {
        var transport = Server(new StuckStream(), TimeProvider.System);
        var handshake = transport.HandshakeAsync(default);
        await transport.DisposeAsync().AsTask().WaitAsync(Deadline);
        await Assert.ThrowsAsync<SshException>(() => handshake.WaitAsync(Deadline));
    }

    // Closing a socket that holds unread bytes resets it, and our SSH_MSG_DISCONNECT is lost: so a server reads on until the peer has heard.
    [Fact]
    public async Task APeerThatBreaksTheProtocolIsToldWhileItStillSends()
    {
        var (a, b) = MemoryDuplex.Pair(capacity: 1);
        var server = Server(b, TimeProvider.System);
        _ = server.HandshakeAsync(default).ContinueWith(static t => t.Exception, TaskScheduler.Default);
        var heard = ReadToEndAsync(a);
        await a.WriteAsync("SSH-2.0-Hostile\r\n"u8.ToArray());
        await a.WriteAsync(new byte[] { 0, 0, 0, 12, 10, 94, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 });
        for (int i = 0; i < 100; i++)
            await a.WriteAsync(new byte[1000]).AsTask().WaitAsync(Deadline);
        Assert.Equal(SshError.ProtocolError, (await server.Completion.WaitAsync(Deadline)).Error);
        byte[] all = await heard.WaitAsync(Deadline);
        Assert.Contains("unexpected message 94", System.Text.Encoding.Latin1.GetString(all), StringComparison.Ordinal);
    }

    // A client that says goodbye and goes at once resets the connection where the server still writes to it; what it said lies in the socket, and the log is to have it.
    [Fact]
    public async Task WhatThePeerSaidBeforeItResetTheConnectionIsTheReason()
    {
        var (a, b) = MemoryDuplex.Pair();
        var lost = new LostPeer(b);
        await using var pair = await ConnectionPair.ConnectAsync(new StreamTransport(a), lost);
        lost.Hold();
        pair.ClientTransport.End(new SshException(SshError.Closed, "disconnected by user") { DisconnectReason = DisconnectReason.ByApplication });
        await pair.ClientTransport.Completion.WaitAsync(Deadline);
        pair.ServerTransport.SendControl([(byte)MessageId.Ignore, 0, 0, 0, 0], flush: true);
        await lost.Failed.WaitAsync(Deadline);
        lost.Release();
        var reason = await pair.ServerTransport.Completion.WaitAsync(Deadline);
        Assert.Equal((SshError.Disconnected, DisconnectReason.ByApplication), (reason.Error, reason.DisconnectReason));
    }

    [Fact]
    public async Task APeerThatIsLostAndSaysNothingIsGivenUp()
    {
        var (a, b) = MemoryDuplex.Pair();
        var lost = new LostPeer(b);
        await using var pair = await ConnectionPair.ConnectAsync(new StreamTransport(a), lost);
        lost.Hold();
        pair.ServerTransport.SendControl([(byte)MessageId.Ignore, 0, 0, 0, 0], flush: true);
        var reason = await pair.ServerTransport.Completion.WaitAsync(Deadline);
        Assert.Equal(SshError.ConnectionLost, reason.Error);
        Assert.Contains("Connection reset by", reason.Message, StringComparison.Ordinal);
    }

    // A proxy command that reads our version line and leaves: the KEXINIT that is on its way fails while the loops are being started, and its end is read at about the same time.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task APeerThatLeavesAtOnceEndsTheHandshake(bool readsEnd)
    {
        await Parallel.ForEachAsync(Enumerable.Range(0, readsEnd ? 200 : 24), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (_, stop) =>
        {
            var transport = new SshTransport(new StreamTransport(new Leaving(readsEnd)), new TransportOptions
            {
                Role = SshRole.Client,
                Algorithms = Algorithms.DefaultPreferences,
                VerifyHostKey = (_, _) => ValueTask.CompletedTask,
                SendGuess = true,
            });
            var error = await Assert.ThrowsAsync<SshException>(() => transport.HandshakeAsync(stop).WaitAsync(Deadline, stop));
            Assert.Equal(SshError.ConnectionLost, error.Error);
            await transport.DisposeAsync().AsTask().WaitAsync(Deadline, stop);
        });
    }

    private static SshTransport Server(Stream stream, TimeProvider time) => new(new StreamTransport(stream), new TransportOptions
    {
        Role = SshRole.Server,
        Algorithms = Algorithms.DefaultPreferences,
        HostKeys = [HostKey],
        TimeProvider = time,
    });

    private static async Task<byte[]> ReadToEndAsync(Stream stream)
    {
        using var all = new MemoryStream();
        await stream.CopyToAsync(all);
        return all.ToArray();
    }

    /// <summary>A transport whose peer resets the connection: nothing can be sent, and what came before is read once <see cref="Release"/> was called.</summary>
    private sealed class LostPeer(Stream stream) : ByteTransport
    {
        private readonly StreamTransport _inner = new(stream);
        private readonly TaskCompletionSource _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool _held;

        public Task Failed => _failed.Task;

        public void Hold() => _held = true;

        public void Release() => _released.TrySetResult();

        public override int TryReceive(Span<byte> buffer) => _held && !_released.Task.IsCompleted ? WouldBlock : _inner.TryReceive(buffer);

        public override async ValueTask WaitReadableAsync()
        {
            if (_held && !_released.Task.IsCompletedSuccessfully)
                await _released.Task;
            else
                await _inner.WaitReadableAsync();
        }

        public override int TrySend(List<ArraySegment<byte>> segments) => _held ? throw Reset() : _inner.TrySend(segments);

        public override ValueTask<int> SendAsync(ReadOnlyMemory<byte> data) => _held ? throw Reset() : _inner.SendAsync(data);

        public override void Abort()
        {
            _released.TrySetException(new IOException("closed"));
            _inner.Abort();
        }

        public override ValueTask DisposeAsync() => _inner.DisposeAsync();

        private SocketException Reset()
        {
            _failed.TrySetResult();
            return new SocketException((int)SocketError.ConnectionReset);
        }
    }

    private sealed class FaultyClose(Stream inner) : Wrapped(inner)
    {
        public override void Close()
        {
            Inner.Dispose();
            throw new IOException("cannot be closed");
        }
    }

    private sealed class StuckStream() : Wrapped(Stream.Null)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            new(new TaskCompletionSource<int>().Task);
    }

    /// <summary>Takes one line and no more; what it says is nothing, or its end in a moment.</summary>
    private sealed class Leaving(bool readsEnd) : Wrapped(Stream.Null)
    {
        private readonly TaskCompletionSource<int> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _writes;

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            Interlocked.Increment(ref _writes) == 1 ? ValueTask.CompletedTask : throw new IOException("Broken pipe");

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await Task.Yield();
            return readsEnd ? 0 : await _closed.Task;
        }
    }

    private abstract class Wrapped(Stream inner) : Stream
    {
        protected Stream Inner => inner;

        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => inner.ReadAsync(buffer, cancellationToken);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => inner.WriteAsync(buffer, cancellationToken);

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }

    private sealed class CountedTimers : TimeProvider
    {
        private int _live;

        public int Live => Volatile.Read(ref _live);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Interlocked.Increment(ref _live);
            return new Counted(System.CreateTimer(callback, state, dueTime, period), this);
        }

        private sealed class Counted(ITimer inner, CountedTimers owner) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => inner.Change(dueTime, period);

            public void Dispose()
            {
                Interlocked.Decrement(ref owner._live);
                inner.Dispose();
            }

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
