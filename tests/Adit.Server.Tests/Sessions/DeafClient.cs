using System.Net.Sockets;
using Adit.Ssh;
using Adit.Ssh.Connection;

namespace Adit.Server.Tests.Sessions;

/// <summary>A client that reads nothing for as long as this lives: what the server opens stays unanswered. It holds the thread that its receive loop is on, so that must be one of the
/// pool (<see cref="ConnectAsync"/>), not one that watches sockets.</summary>
internal sealed class DeafClient : IChannelHandler, IDisposable
{
    private const string ChannelType = "deaf@test";

    private readonly ManualResetEventSlim _hearsAgain = new();
    private readonly TaskCompletionSource _isDeaf = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private DeafClient()
    {
    }

    /// <summary>For <see cref="SshClientOptions.ConnectCallback"/>.</summary>
    public static async ValueTask<Stream> ConnectAsync(SshClientOptions options, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(options.Host, options.Port, cancellationToken);
        return new NetworkStream(socket, ownsSocket: true);
    }

    /// <param name="client">The client's end.</param>
    /// <param name="server">The server's end.</param>
    public static async Task<DeafClient> BeginAsync(SshConnection client, SshConnection server)
    {
        var deaf = new DeafClient();
        client.Handle(ChannelType, deaf);
        _ = server.OpenAsync(ChannelType, default, new Nothing(), CancellationToken.None).ContinueWith(static ended => ended.Exception, TaskScheduler.Default); // refused in the end
        await deaf._isDeaf.Task.WaitAsync(SessionLab.Deadline);
        return deaf;
    }

    /// <summary>On the client's receive loop.</summary>
    public void OnArrived()
    {
        _isDeaf.SetResult();
        _hearsAgain.Wait(SessionLab.Deadline);
    }

    public ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
    {
        request.Reject(OpenFailureReason.ConnectFailed, "no");
        return ValueTask.CompletedTask;
    }

    /// <summary>It reads on.</summary>
    public void Dispose() => _hearsAgain.Set();

    private sealed class Nothing : IChannelSink
    {
        public void OnOpened(SshChannel channel)
        {
        }

        public void OnData(ReadOnlyMemory<byte> data)
        {
        }

        public void OnBatchEnd()
        {
        }

        public void OnEof()
        {
        }

        public void OnClosed(SshException? reason)
        {
        }
    }
}
