using System.Runtime.InteropServices;
using System.Threading.Channels;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Tests.Connection;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Microsoft.Win32.SafeHandles;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>A tunnel device of the server, towards clients that go too far. The device is one end of a pair of datagram sockets, which keeps the bounds of packets as a device does; the other end is the
/// network.</summary>
public sealed partial class TunnelConnectionTests
{
    private const int WouldBlock = 11;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private static bool IsLinux => OperatingSystem.IsLinux();

    [Fact]
    public async Task Packets_cross_both_ways_and_keep_their_bounds()
    {
        if (!IsLinux)
            return;
        await using var lab = await ConnectAsync();
        lab.Send(Frame("000000024500aa"));
        lab.Send(Frame("0000001860bbcc"));
        Assert.Equal("4500aa", await lab.ReceiveAsync());
        Assert.Equal("60bbcc", await lab.ReceiveAsync());
        Assert.Equal(0, lab.Write(Convert.FromHexString("45dd")));
        Assert.Equal(0, lab.Write(Convert.FromHexString("60ee00")));
        Assert.Equal("0000000245dd", await lab.ArrivedAsync());
        Assert.Equal("0000001860ee00", await lab.ArrivedAsync());
    }

    [Theory]
    [InlineData("")]
    [InlineData("000000")]
    [InlineData("00000002")] // no packet
    [InlineData("0000000a60aa")] // no family of the protocol's
    [InlineData("ffffffff45aa")]
    [InlineData("0000001845aa")] // not what it says
    public async Task What_is_no_packet_is_dropped_and_its_window_given_back(string data)
    {
        if (!IsLinux)
            return;
        await using var lab = await ConnectAsync();
        for (int i = 0; i < 1000; i++)
            lab.Send(Frame(data));
        lab.Send(Frame("0000000245cc"));
        Assert.Equal("45cc", await lab.ReceiveAsync());
        Assert.Null(lab.Pair.ServerTransport.Reason);
    }

    // More than ten windows of packets that nobody can take: the window comes back each time, and what fits still arrives.
    [Fact]
    public async Task Packets_that_are_too_long_for_the_device_are_dropped_and_their_window_given_back()
    {
        if (!IsLinux)
            return;
        await using var lab = await ConnectAsync(limit: 2048);
        byte[] packet = new byte[32 * 1024];
        packet[3] = 2;
        packet[4] = 0x45;
        for (int i = 0; i < 800; i++)
            Assert.True(await lab.Channel.SendAsync(packet).AsTask().WaitAsync(Deadline));
        Assert.True(await lab.Channel.SendAsync(Convert.FromHexString("0000000245dd")).AsTask().WaitAsync(Deadline));
        Assert.Equal("45dd", await lab.ReceiveAsync());
    }

    // INVARIANTS 14.
    [Fact]
    public async Task More_than_the_window_ends_the_connection_and_the_device()
    {
        if (!IsLinux)
            return;
        await using var lab = await ConnectAsync(budget: new WindowBudget(1));
        lab.Send(new byte[WindowBudget.Minimum + 1]);
        var reason = await lab.Pair.ServerTransport.Completion.WaitAsync(Deadline);
        Assert.Contains("peer ignored channel window", reason.Message, StringComparison.Ordinal);
        await lab.Run!.WaitAsync(Deadline);
        Assert.True(lab.DeviceIsClosed);
    }

    // INVARIANTS 16, 17: what the client's window has no room for is dropped, as a network does; nothing waits in memory, and the channel goes on once there is room.
    [Fact]
    public async Task A_client_that_grants_nothing_gets_a_window_full_and_no_more()
    {
        if (!IsLinux)
            return;
        await using var lab = await ConnectAsync(size: new ChannelSize(4096, 32 * 1024));
        lab.IsGranting = false;
        byte[] packet = new byte[996];
        packet[0] = 0x45;
        for (int i = 0; i < 2000; i++)
            await lab.WriteAsync(packet);
        // The pump has taken them all off the device, but for those that still lie in it.
        for (int i = 0; i < 4; i++)
            await lab.ArrivedAsync();
        Assert.False(lab.Arrived.Reader.TryRead(out _));
        lab.IsGranting = true;
        lab.Channel.Credit(4000);
        // What comes before the grant does is dropped still.
        var arriving = lab.ArrivedAsync();
        while (!arriving.IsCompleted)
            await lab.WriteAsync(packet);
        Assert.Equal(2000, (await arriving).Length);
    }

    [Fact]
    public async Task A_client_that_reads_nothing_at_all_stops_the_device_from_being_read()
    {
        if (!IsLinux)
            return;
        await using var lab = await ConnectAsync(size: new ChannelSize(int.MaxValue, 32 * 1024));
        lab.Gate!.StopReading();
        byte[] packet = new byte[1400];
        packet[0] = 0x45;
        long written = 0;
        int refused = 0;
        // Full for so long that it is not the pump's being slow.
        while (refused < 50)
        {
            Assert.InRange(written, 0, 256L << 20);
            int error = lab.Write(packet);
            Assert.True(error is 0 or WouldBlock);
            if (error == 0)
            {
                written += packet.Length;
                refused = 0;
            }
            else
            {
                refused++;
                await Task.Delay(20);
            }
        }
        Assert.InRange(written, 0, 64L << 20);
    }

    [Theory]
    [InlineData(MessageId.ChannelEof)]
    [InlineData(MessageId.ChannelClose)]
    public async Task The_clients_EOF_or_CLOSE_ends_the_channel_and_the_device(MessageId id)
    {
        if (!IsLinux)
            return;
        await using var lab = await ConnectAsync();
        if (id == MessageId.ChannelEof)
            lab.Channel.SendEof();
        else
            lab.Channel.Close();
        await lab.Run!.WaitAsync(Deadline);
        Assert.True(lab.DeviceIsClosed);
        await lab.Closed.Task.WaitAsync(Deadline);
        Assert.Null(lab.Pair.ServerTransport.Reason);
    }

    [Fact]
    public async Task The_end_of_the_connection_closes_the_device()
    {
        if (!IsLinux)
            return;
        await using var lab = await ConnectAsync();
        await lab.Pair.ClientTransport.DisposeAsync();
        await lab.Run!.WaitAsync(Deadline);
        Assert.True(lab.DeviceIsClosed);
    }

    private static byte[] Frame(string hex) => Convert.FromHexString(hex);

    private static async Task<TunnelLab> ConnectAsync(WindowBudget? budget = null, ChannelSize? size = null, int limit = 0)
    {
        var lab = new TunnelLab(limit);
        var (a, b) = MemoryDuplex.Pair(capacity: 4);
        lab.Gate = new GatedTransport(a);
        lab.Pair = await ConnectionPair.ConnectAsync(lab.Gate, new StreamTransport(b), server => server.Handle(TunnelFrames.ChannelType, lab), budget: budget);
        lab.Channel = await lab.Pair.Client.OpenAsync(TunnelFrames.ChannelType, TunnelFrames.OpenData(TunnelMode.PointToPoint, -1), lab, default, size: size).WaitAsync(Deadline);
        return lab;
    }

    private sealed partial class TunnelLab : IChannelHandler, IChannelSink, IAsyncDisposable
    {
        private const int UnixFamily = 1, DatagramNonBlocking = 2 | 0x800 | 0x80000, SocketLevel = 1, SendBuffer = 7;

        private readonly SafeFileHandle _network;
        private readonly TunnelInterface _device;
        private int _taken;

        /// <param name="limit">Longest packet that the device takes; 0 for no limit but the socket's own.</param>
        public unsafe TunnelLab(int limit)
        {
            int* ends = stackalloc int[2];
            Assert.Equal(0, socketpair(UnixFamily, DatagramNonBlocking, 0, ends));
            _network = new SafeFileHandle(ends[0], ownsHandle: true);
            var request = TunnelInterface.Request(TunnelMode.PointToPoint, 0);
            _device = TunnelInterface.Opened(new SafeFileHandle(ends[1], ownsHandle: true), request, TunnelMode.PointToPoint);
            if (limit > 0)
                Assert.Equal(0, setsockopt(ends[1], SocketLevel, SendBuffer, &limit, sizeof(int)));
        }

        public GatedTransport? Gate { get; set; }

        public ConnectionPair Pair { get; set; } = null!;

        /// <summary>The client's.</summary>
        public SshChannel Channel { get; set; } = null!;

        /// <summary>The server's pump.</summary>
        public Task? Run { get; private set; }

        public bool IsGranting { get; set; } = true;

        public Channel<string> Arrived { get; } = System.Threading.Channels.Channel.CreateUnbounded<string>();

        public TaskCompletionSource Closed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Nobody has the other end.</summary>
        public bool DeviceIsClosed => Write([0x45]) is not (0 or WouldBlock);

        public ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
        {
            var tunnel = new TunnelConnection(_device);
            Assert.NotNull(request.Accept(tunnel));
            Run = tunnel.RunAsync();
            return ValueTask.CompletedTask;
        }

        /// <summary>Sends data whatever the window says.</summary>
        public void Send(ReadOnlySpan<byte> data)
        {
            var writer = new SshWriter(16 + data.Length);
            writer.WriteMessageId(MessageId.ChannelData);
            writer.WriteUInt32(Channel.RemoteId);
            writer.WriteString(data);
            Pair.ClientTransport.Send(writer.Written);
        }

        /// <summary>A packet comes in on the network; the system's error, or 0.</summary>
        public unsafe int Write(ReadOnlySpan<byte> packet)
        {
            fixed (byte* start = packet)
                return write(_network, start, (nuint)packet.Length) < 0 ? Marshal.GetLastPInvokeError() : 0;
        }

        /// <summary>The same, once there is room.</summary>
        public async Task WriteAsync(byte[] packet)
        {
            using var timer = new CancellationTokenSource(Deadline);
            while (Write(packet) is var error && error != 0)
            {
                Assert.Equal(WouldBlock, error);
                await Task.Delay(1, timer.Token);
            }
        }

        /// <summary>What goes out on the network.</summary>
        public async Task<string> ReceiveAsync()
        {
            using var timer = new CancellationTokenSource(Deadline);
            byte[] packet = new byte[70000];
            while (true)
            {
                int count = Read(packet);
                if (count >= 0)
                    return Convert.ToHexStringLower(packet.AsSpan(0, count));
                await Task.Delay(1, timer.Token);
            }
        }

        public async Task<string> ArrivedAsync() => await Arrived.Reader.ReadAsync().AsTask().WaitAsync(Deadline);

        public void OnOpened(SshChannel channel)
        {
        }

        public void OnData(ReadOnlyMemory<byte> data)
        {
            _taken += data.Length;
            Arrived.Writer.TryWrite(Convert.ToHexStringLower(data.Span));
        }

        public void OnBatchEnd()
        {
            if (IsGranting)
                Channel?.Credit(_taken);
            _taken = 0;
        }

        public void OnEof()
        {
        }

        public void OnClosed(SshException? reason)
        {
            Channel?.Close();
            Closed.TrySetResult();
        }

        public async ValueTask DisposeAsync()
        {
            await Pair.DisposeAsync();
            if (Run is not null)
                await Run.WaitAsync(Deadline);
            _network.Dispose();
        }

        private unsafe int Read(byte[] packet)
        {
            fixed (byte* start = packet)
                return (int)read(_network, start, (nuint)packet.Length);
        }

        [LibraryImport("libc", SetLastError = true)]
        private static unsafe partial int socketpair(int family, int type, int protocol, int* ends);

        [LibraryImport("libc", SetLastError = true)]
        private static unsafe partial int setsockopt(int socket, int level, int option, int* value, int length);

        [LibraryImport("libc", SetLastError = true)]
        private static unsafe partial nint read(SafeFileHandle descriptor, byte* buffer, nuint length);

        [LibraryImport("libc", SetLastError = true)]
        private static unsafe partial nint write(SafeFileHandle descriptor, byte* buffer, nuint length);
    }
}
