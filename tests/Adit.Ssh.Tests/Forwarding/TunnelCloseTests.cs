using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Tests.Connection;
using Microsoft.Win32.SafeHandles;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>Devices that the kernel takes long to close. They are sockets that linger: with data that nobody takes, close(2) blocks until the other end is gone.</summary>
public sealed partial class TunnelCloseTests
{
    private const int Devices = 64, SocketLevel = 1, Linger = 13, LingerSeconds = 60;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Devices_that_close_slowly_hold_up_nothing_but_themselves()
    {
        if (!OperatingSystem.IsLinux())
            return;
        var handler = new Handler();
        var pair = await ConnectionPair.ConnectAsync(setUp: server => server.Handle(TunnelFrames.ChannelType, handler));
        try
        {
            var ends = new List<SilentSink>();
            for (int i = 0; i < Devices; i++)
            {
                ends.Add(new SilentSink());
                await pair.Client.OpenAsync(TunnelFrames.ChannelType, TunnelFrames.OpenData(TunnelMode.PointToPoint, -1), ends[i], default).WaitAsync(Deadline);
            }
            long asked = TimeProvider.System.GetTimestamp();
            foreach (var end in ends)
                (await end.Opened.Task.WaitAsync(Deadline)).Close();
            await Task.WhenAll(ends.Select(end => end.Closed.Task)).WaitAsync(Deadline);
            // A pool whose threads are held grows by a few in a second, and each would be held by the next device.
            while (ThreadPool.PendingWorkItemCount > Devices / 4)
            {
                Assert.InRange(TimeProvider.System.GetElapsedTime(asked), TimeSpan.Zero, TimeSpan.FromSeconds(10));
                await Task.Delay(10);
            }
            Assert.Contains(handler.Runs, run => !run.IsCompleted);
        }
        finally
        {
            handler.Dispose();
            await Task.WhenAll(handler.Runs).WaitAsync(Deadline);
            await pair.DisposeAsync();
        }
    }

    /// <summary>Gives each channel a device of its own.</summary>
    private sealed partial class Handler : IChannelHandler, IDisposable
    {
        private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        private readonly List<Socket> _others = [];

        public Handler()
        {
            _listener.ReceiveBufferSize = 4096; // so that more waits here than fits there
            _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _listener.Listen();
        }

        public List<Task> Runs { get; } = [];

        public async ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
        {
            var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { SendBufferSize = 64 * 1024 };
            near.Connect(_listener.LocalEndPoint!);
            _others.Add(await _listener.AcceptAsync(cancellationToken));
            near.Blocking = false;
            byte[] data = new byte[64 * 1024];
            SocketError error;
            do
                near.Send(data, SocketFlags.None, out error);
            while (error == SocketError.Success);
            var tunnel = new TunnelConnection(TunnelInterface.Opened(Device(near), TunnelInterface.Request(TunnelMode.PointToPoint, 0), TunnelMode.PointToPoint));
            Assert.NotNull(request.Accept(tunnel));
            Runs.Add(tunnel.RunAsync());
        }

        /// <summary>The other ends go, with data that they have not read: whoever lingers is done.</summary>
        public void Dispose()
        {
            foreach (var other in _others)
                other.Close(0);
            _listener.Dispose();
        }

        private static unsafe SafeFileHandle Device(Socket socket)
        {
            // .NET's own way of closing would break the connection.
            int descriptor = (int)socket.Handle;
            socket.SafeHandle.SetHandleAsInvalid();
            int* linger = stackalloc int[] { 1, LingerSeconds };
            Assert.Equal(0, setsockopt(descriptor, SocketLevel, Linger, linger, 2 * sizeof(int)));
            return new SafeFileHandle(descriptor, ownsHandle: true);
        }

        [LibraryImport("libc", SetLastError = true)]
        private static unsafe partial int setsockopt(int socket, int level, int option, int* value, int length);
    }
}
