using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Transport;

public class ReceiveModerationTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private const int Piece = 64 * 1024;

    // What has come stays for a while, and then is read although it is less than was waited for.
    [Fact]
    public async Task AWaitForMoreEndsWithLess()
    {
        using var busy = await Busy.StartAsync();
        for (int i = 1; i <= 100; i++)
        {
            busy.Trust();
            var waiting = busy.Readiness.WaitReadableAsync().AsTask();
            busy.Far.Send(new byte[i]);
            await waiting.WaitAsync(Deadline);
            Assert.Equal(i, busy.Receive());
        }
    }

    [Fact]
    public async Task AWaitForMoreEndsWhenNothingComes()
    {
        using var busy = await Busy.StartAsync();
        busy.Trust();
        await busy.Readiness.WaitReadableAsync().AsTask().WaitAsync(Deadline);
        Assert.Equal(SocketError.WouldBlock, busy.Error());
        // The next is for one byte, for as long as it takes.
        var waiting = busy.Readiness.WaitReadableAsync().AsTask();
        Assert.Equal(1, busy.LowWater);
        busy.Far.Send([1]);
        await waiting.WaitAsync(Deadline);
        Assert.Equal(1, busy.Receive());
    }

    [Fact]
    public async Task TheKernelIsToldWhatToWaitFor()
    {
        using var busy = await Busy.StartAsync();
        Assert.Equal(1, busy.LowWater);
        busy.Trust();
        var waiting = busy.Readiness.WaitReadableAsync();
        Assert.Equal(ModerationPolicy.MostLowWater, busy.LowWater);
        await waiting.AsTask().WaitAsync(Deadline);
    }

    [Fact]
    public async Task TheEndOfTheStreamIsSeenAtOnce()
    {
        using var busy = await Busy.StartAsync();
        busy.Trust();
        var waiting = busy.Readiness.WaitReadableAsync().AsTask();
        busy.Far.Dispose();
        await waiting.WaitAsync(Deadline);
        while (busy.Error() == SocketError.WouldBlock)
            await busy.Readiness.WaitReadableAsync().AsTask().WaitAsync(Deadline);
        Assert.Equal(0, busy.Receive());
    }

    [Fact]
    public async Task ClosingEndsAWaitForMore()
    {
        for (int i = 0; i < 50; i++)
        {
            using var busy = await Busy.StartAsync();
            busy.Trust();
            var waiting = busy.Readiness.WaitReadableAsync().AsTask();
            busy.Readiness.CloseSocket();
            await waiting.WaitAsync(Deadline);
            await Assert.ThrowsAsync<ObjectDisposedException>(() => busy.Readiness.WaitReadableAsync().AsTask());
        }
    }

    // Pieces of all sizes with pauses of all lengths: every byte comes, in order, and the reader never hangs.
    [Fact]
    public async Task NothingIsLostOrLeftBehind()
    {
        using var busy = await Busy.StartAsync();
        var random = new Random(20261128);
        const int Total = 64 << 20;
        var sending = Task.Run(() =>
        {
            byte[] block = new byte[300 * 1024];
            for (int sent = 0; sent < Total;)
            {
                int count = Math.Min(random.Next(5) == 0 ? random.Next(1, 100) : random.Next(1, block.Length), Total - sent);
                for (int i = 0; i < count; i++)
                    block[i] = (byte)((sent + i) % 251);
                for (int done = 0; done < count;)
                    done += busy.Far.Send(block.AsSpan(done, count - done));
                sent += count;
                if (random.Next(50) == 0)
                    Thread.Yield();
            }
        });
        byte[] buffer = new byte[256 * 1024];
        for (int received = 0; received < Total;)
        {
            int count = busy.Near.Receive(buffer, SocketFlags.None, out var error);
            if (error == SocketError.WouldBlock)
            {
                busy.Trust();
                await busy.Readiness.WaitReadableAsync().AsTask().WaitAsync(Deadline);
                continue;
            }
            Assert.True(count > 0, error.ToString());
            for (int i = 0; i < count; i++)
            {
                if (buffer[i] != (byte)((received + i) % 251))
                    Assert.Fail($"byte {received + i} is {buffer[i]}");
            }
            received += count;
        }
        await sending.WaitAsync(Deadline);
    }

    /// <summary>A socket that is made to believe, by a clock of its own, that it receives in small pieces several gigabytes per second.</summary>
    private sealed class Busy : IDisposable
    {
        private readonly ModerationPolicy _policy = new(0);
        private long _now;

        private Busy(Socket near, Socket far)
        {
            (Near, Far) = (near, far);
            Readiness = new SocketReadiness(near);
            Readiness.Moderate(new ReceiveModeration(near, _policy, () => _now));
        }

        public Socket Near { get; }

        public Socket Far { get; }

        public SocketReadiness Readiness { get; }

        public int LowWater => (int)Near.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReceiveLowWater)!;

        public static async Task<Busy> StartAsync()
        {
            using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listener.Listen(1);
            var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await SocketReadiness.ConnectAsync(near, listener.LocalEndPoint!, default).AsTask().WaitAsync(Deadline);
            var busy = new Busy(near, await listener.AcceptAsync().WaitAsync(Deadline));
            // Known to the poller from its first wait on.
            busy.Far.Send([1]);
            await busy.Readiness.WaitReadableAsync().AsTask().WaitAsync(Deadline);
            Assert.Equal(1, busy.Receive());
            return busy;
        }

        /// <summary>The next wait is for as much as may be.</summary>
        public void Trust()
        {
            for (int i = 0; i < 64; i++)
            {
                _policy.Received(Piece);
                _ = _policy.NextWait(_now += 20_000, wasLate: false);
            }
            _policy.Received(Piece);
        }

        public int Receive() => Near.Receive(new byte[256 * 1024]);

        public SocketError Error()
        {
            Near.Receive(new byte[1], SocketFlags.Peek, out var error);
            return error;
        }

        public void Dispose()
        {
            Readiness.CloseSocket();
            Near.Dispose();
            Far.Dispose();
        }
    }
}
