using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Transport;

/// <summary>Two sockets that are connected with each other over loopback.</summary>
internal sealed class SocketPair : IDisposable
{
    /// <summary>Not blocking.</summary>
    public required Socket Near { get; init; }

    public required Socket Far { get; init; }

    public static Socket Listen(int backlog = 512)
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(backlog);
        return listener;
    }

    public static async Task<SocketPair> ConnectAsync(Socket? listener = null)
    {
        using var own = listener is null ? Listen() : null;
        listener ??= own!;
        var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await SocketReadiness.ConnectAsync(near, listener.LocalEndPoint!, default).AsTask().WaitAsync(TimeSpan.FromSeconds(30));
        return new SocketPair { Near = near, Far = await listener.AcceptAsync().WaitAsync(TimeSpan.FromSeconds(30)) };
    }

    public void Dispose()
    {
        Near.Dispose();
        Far.Dispose();
    }
}
