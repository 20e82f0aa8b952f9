using System.Net.Sockets;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>The way through allocates nothing: garbage costs every connection of the process its pauses.</summary>
[Collection(Alone.Name)]
public class AllocationTests
{
    private const int Chunk = 256 * 1024;
    private const long Measured = 128 << 20;

    /// <summary>For what the runtime does beside us: a timer, a thread of the pool.</summary>
    private const int AllowedPerMiB = 64;

    [Theory]
    [InlineData(false, 0)]
    [InlineData(true, 0)]
    [InlineData(false, 20)] // a reader that pauses: the sink falls behind and catches up, again and again
    [InlineData(true, 20)]
    public async Task ARunningStreamAllocatesNothing(bool up, int pauses)
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        // Connected synchronously: a socket that was ever used the other way waits in .NET's own queues, and allocates there.
        using var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        near.Connect(tunnel.Entrance);
        using var far = await tunnel.Target.AcceptAsync();
        var (from, to) = up ? (near, far) : (far, near);
        var writer = new Thread(() => Write(from)) { IsBackground = true };
        writer.Start();
        var reading = Task.Factory.StartNew(() => Measure(to, pauses), TaskCreationOptions.LongRunning);
        long perMiB = await reading.WaitAsync(TimeSpan.FromMinutes(2));
        from.Close(0);
        writer.Join();
        Assert.True(perMiB <= AllowedPerMiB, $"{perMiB} bytes allocated for every MiB");
    }

    /// <summary>The best of some rounds: what is not there once does not belong to the way. On a busy machine the runtime starts threads, which cost as much.</summary>
    private static long Measure(Socket socket, int pauses)
    {
        byte[] buffer = new byte[Chunk];
        Read(socket, buffer, Measured, pauses); // windows, pools and buffers have grown by then
        long best = long.MaxValue;
        for (int round = 0; round < 10 && best > AllowedPerMiB; round++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            Read(socket, buffer, Measured, pauses);
            best = Math.Min(best, (GC.GetTotalAllocatedBytes(precise: true) - before) / (Measured >> 20));
        }
        return best;
    }

    private static void Read(Socket socket, byte[] buffer, long bytes, int pauses)
    {
        long pauseEvery = pauses == 0 ? long.MaxValue : bytes / pauses;
        long untilPause = pauseEvery;
        while (bytes > 0)
        {
            int count = socket.Receive(buffer);
            bytes -= count;
            if ((untilPause -= count) > 0)
                continue;
            untilPause += pauseEvery;
            socket.Poll(TimeSpan.FromMilliseconds(20), SelectMode.SelectError); // nothing is ever wrong: this is a pause
        }
    }

    private static void Write(Socket socket)
    {
        byte[] data = new byte[Chunk];
        try
        {
            while (true)
                socket.Send(data);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // the test is over
        }
    }
}
