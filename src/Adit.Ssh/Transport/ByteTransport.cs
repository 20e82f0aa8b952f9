using System.Net;

namespace Adit.Ssh.Transport;

/// <summary>The bytes under an SSH connection. One reader and one writer at a time. Errors are <see cref="IOException"/> or
/// <see cref="System.Net.Sockets.SocketException"/>; after <see cref="Abort"/> every call ends soon.</summary>
internal abstract class ByteTransport : IAsyncDisposable
{
    /// <summary>What <see cref="TryReceive"/> returns when nothing is there now.</summary>
    public const int WouldBlock = -1;

    /// <summary>Where the peer is; null when this is no socket.</summary>
    public virtual IPEndPoint? RemoteEndPoint => null;

    public virtual IPEndPoint? LocalEndPoint => null;

    /// <summary>Takes what has arrived, without waiting: the count, 0 at the end of the stream, <see cref="WouldBlock"/> when nothing is there.</summary>
    public abstract int TryReceive(Span<byte> buffer);

    /// <summary>Completes when <see cref="TryReceive"/> may have something to say. Holds no caller's buffer meanwhile.</summary>
    public abstract ValueTask WaitReadableAsync();

    /// <summary>Sends as much of the segments as goes without waiting and returns the count, which may be 0.</summary>
    public abstract int TrySend(List<ArraySegment<byte>> segments);

    /// <summary>Sends some of the data and returns the count. It may wait for room alone and return 0: then it is called again.</summary>
    public abstract ValueTask<int> SendAsync(ReadOnlyMemory<byte> data);

    /// <summary>Sets the type of service byte of what is sent from here on (IPQoS), where there are packets to carry one. A network that does not want it is no error.</summary>
    public virtual void SetTypeOfService(int value)
    {
    }

    /// <summary>Tells the peer that nothing more will be sent, where the transport can.</summary>
    public virtual void ShutdownSend()
    {
    }

    /// <summary>Ends everything at once. Safe to call from anywhere, more than once.</summary>
    public abstract void Abort();

    public abstract ValueTask DisposeAsync();
}
