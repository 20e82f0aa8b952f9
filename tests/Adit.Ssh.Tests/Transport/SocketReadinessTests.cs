using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Transport;

public class SocketReadinessTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task AWaitEndsWhenBytesArriveAndNotBefore()
    {
        using var pair = await SocketPair.ConnectAsync();
        var readiness = new SocketReadiness(pair.Near);
        for (int i = 0; i < 100; i++)
        {
            var waiting = readiness.WaitReadableAsync().AsTask();
            if (i == 0)
                Assert.False(waiting.IsCompleted);
            pair.Far.Send([(byte)i]);
            await waiting.WaitAsync(Deadline);
            byte[] one = new byte[2];
            Assert.Equal(1, pair.Near.Receive(one));
            Assert.Equal(i, one[0]);
        }
    }

    // The socket is watched for reading alone while somebody waits to write, and the other way round: both waits are served.
    [Fact]
    public async Task BothDirectionsAreWaitedForAtOnce()
    {
        using var pair = await SocketPair.ConnectAsync();
        var readiness = new SocketReadiness(pair.Near);
        byte[] block = new byte[256 * 1024];
        while (pair.Near.Send(block, SocketFlags.None, out var error) > 0 && error == SocketError.Success)
        {
            // fill it
        }
        var reading = readiness.WaitReadableAsync().AsTask();
        var writing = SendSomeAsync(readiness, block);
        Assert.False(reading.IsCompleted);
        Assert.False(writing.IsCompleted);
        pair.Far.Send([1]);
        await reading.WaitAsync(Deadline);
        // Read until there was room; what the write brings itself need not be read.
        using var done = new CancellationTokenSource();
        var draining = DrainAsync(pair.Far, done.Token);
        Assert.InRange(await writing.WaitAsync(Deadline), 1, block.Length);
        await done.CancelAsync();
        await draining.WaitAsync(Deadline);

        static async Task DrainAsync(Socket socket, CancellationToken cancellationToken)
        {
            byte[] buffer = new byte[256 * 1024];
            try
            {
                while (await socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken) > 0)
                {
                    // nobody wants it
                }
            }
            catch (OperationCanceledException)
            {
                // there was room
            }
        }
    }

    private static async Task<int> SendSomeAsync(SocketReadiness readiness, ReadOnlyMemory<byte> data)
    {
        int count = 0;
        while (count == 0)
            count = await readiness.SendAsync(data);
        return count;
    }

    [Fact]
    public async Task ClosingEndsBothWaits()
    {
        using var pair = await SocketPair.ConnectAsync();
        var readiness = new SocketReadiness(pair.Near);
        byte[] block = new byte[256 * 1024];
        while (pair.Near.Send(block, SocketFlags.None, out var error) > 0 && error == SocketError.Success)
        {
            // fill it
        }
        var reading = readiness.WaitReadableAsync().AsTask();
        var writing = SendSomeAsync(readiness, block);
        readiness.CloseSocket();
        readiness.CloseSocket();
        await reading.WaitAsync(Deadline);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => writing.WaitAsync(Deadline));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => readiness.WaitReadableAsync().AsTask());
    }

    // What is put off comes when the thread is done with its event, not in the middle of it, and on that thread.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WorkForAfterwardsComesOnTheSameThreadWhenItsEventIsOver(bool bySignal)
    {
        if (!SocketPoller.IsSupported)
            return;
        using var pair = await SocketPair.ConnectAsync();
        var readiness = new SocketReadiness(pair.Near);
        var order = new List<string>();
        int thread = 0;
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var signal = new AsyncSignal();
        _ = WaitForSignalAsync();
        _ = OnEventAsync();
        pair.Far.Send([1]);
        await done.Task.WaitAsync(Deadline);
        Assert.Equal(["event", "rest of the event", "afterwards"], order);
        Assert.False(await Task.Run(() => SocketPoller.TryRunAfter(static _ => Assert.Fail("not here"), order)));

        async Task OnEventAsync()
        {
            await readiness.WaitReadableAsync().ConfigureAwait(false);
            thread = Environment.CurrentManagedThreadId;
            order.Add("event");
            if (bySignal)
                signal.SetForAfter();
            else
                SocketPoller.TryRunAfter(_ => Afterwards(), order);
            order.Add("rest of the event");
        }

        async Task WaitForSignalAsync()
        {
            await signal.WaitAsync(mayInline: true).ConfigureAwait(false);
            Afterwards();
        }

        void Afterwards()
        {
            order.Add(Environment.CurrentManagedThreadId == thread ? "afterwards" : "on another thread");
            done.SetResult();
        }
    }

    // A peer may bring about as much of it as it likes: the watching threads are there for everybody.
    [Fact]
    public async Task TooMuchWorkForAfterwardsGoesToThePool()
    {
        if (!SocketPoller.IsSupported)
            return;
        using var pair = await SocketPair.ConnectAsync();
        var readiness = new SocketReadiness(pair.Near);
        using var all = new CountdownEvent(200);
        int here = 0;
        var watching = OnEventAsync();
        pair.Far.Send([1]);
        await watching.WaitAsync(Deadline);
        Assert.True(await Task.Run(() => all.Wait(Deadline)));
        Assert.Equal(1, here);

        async Task OnEventAsync()
        {
            await readiness.WaitReadableAsync().ConfigureAwait(false);
            Assert.True(SocketPoller.TryRunAfter(Again, all));
        }

        void Again(object state)
        {
            if (Thread.CurrentThread.IsThreadPoolThread)
            {
                all.Signal();
                if (!all.IsSet)
                    ThreadPool.UnsafeQueueUserWorkItem(Again, state, preferLocal: false);
                return;
            }
            here++;
            all.Signal();
            Assert.True(SocketPoller.TryRunAfter(Again, state));
        }
    }

    [Fact]
    public async Task ASignalForAfterwardsNeedsNoWatchingThread()
    {
        var signal = new AsyncSignal();
        int here = Environment.CurrentManagedThreadId;
        bool inside = true;
        var waiting = WaitAsync();
        signal.SetForAfter();
        inside = false;
        await waiting.WaitAsync(Deadline);
        signal.SetForAfter();
        await signal.WaitAsync(mayInline: true).AsTask().WaitAsync(Deadline); // kept

        async Task WaitAsync()
        {
            await signal.WaitAsync(mayInline: true).ConfigureAwait(false);
            Assert.False(inside && Environment.CurrentManagedThreadId == here);
        }
    }

    [Fact]
    public async Task AResetEndsAWait()
    {
        using var pair = await SocketPair.ConnectAsync();
        var readiness = new SocketReadiness(pair.Near);
        var waiting = readiness.WaitReadableAsync().AsTask();
        pair.Far.LingerState = new LingerOption(true, 0);
        pair.Far.Dispose();
        await waiting.WaitAsync(Deadline);
        pair.Near.Receive(new byte[1], SocketFlags.None, out var error);
        Assert.Equal(SocketError.ConnectionReset, error);
    }

    // Descriptors are numbers that come again: who waits on a new socket must not be lost to the one that had its number before.
    [Fact]
    public async Task SocketsThatComeAndGoAreToldApart()
    {
        using var listener = SocketPair.Listen();
        var random = new Random(7);
        var old = new List<SocketReadiness>();
        for (int i = 0; i < 300; i++)
        {
            using var pair = await SocketPair.ConnectAsync(listener);
            var readiness = new SocketReadiness(pair.Near);
            var waiting = readiness.WaitReadableAsync().AsTask();
            foreach (var gone in old)
                gone.CloseSocket(); // again, when the number is somebody else's
            old.Clear();
            if (random.Next(2) == 0)
            {
                pair.Far.Send([1]);
                await waiting.WaitAsync(Deadline);
            }
            readiness.CloseSocket();
            await waiting.WaitAsync(Deadline);
            old.Add(readiness);
        }
    }

    [Fact]
    public async Task ManySocketsAreWatchedAtOnce()
    {
        using var listener = SocketPair.Listen();
        var pairs = new List<SocketPair>();
        for (int i = 0; i < 300; i++)
            pairs.Add(await SocketPair.ConnectAsync(listener));
        var waits = pairs.Select(pair => new SocketReadiness(pair.Near).WaitReadableAsync().AsTask()).ToArray();
        foreach (var pair in Enumerable.Reverse(pairs))
            pair.Far.Send([1]);
        await Task.WhenAll(waits).WaitAsync(Deadline);
        pairs.ForEach(pair => pair.Dispose());
    }

    [Fact]
    public async Task ConnectingTellsWhyItCannot()
    {
        int free;
        using (var probe = SocketPair.Listen())
            free = ((IPEndPoint)probe.LocalEndPoint!).Port;
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        var error = await Assert.ThrowsAsync<SocketException>(() => SocketReadiness.ConnectAsync(socket, new IPEndPoint(IPAddress.Loopback, free), default).AsTask().WaitAsync(Deadline));
        Assert.Equal(SocketError.ConnectionRefused, error.SocketErrorCode);
    }

    // A listener whose queue is full answers nothing: the connect hangs until it is given up.
    [Fact]
    public async Task ConnectingCanBeGivenUp()
    {
        using var listener = SocketPair.Listen(backlog: 0);
        var filling = new List<Socket>();
        using var cancel = new CancellationTokenSource();
        try
        {
            for (int i = 0; i < 8; i++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                filling.Add(socket);
                var connecting = SocketReadiness.ConnectAsync(socket, listener.LocalEndPoint!, cancel.Token).AsTask();
                if (connecting.IsCompletedSuccessfully)
                    continue;
                await cancel.CancelAsync();
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting.WaitAsync(Deadline));
                return;
            }
            Assert.Fail("the listener's queue never filled");
        }
        finally
        {
            filling.ForEach(socket => socket.Dispose());
        }
    }
}
