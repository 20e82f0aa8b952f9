using System.Net.Sockets;
using Adit.Ssh.Connection;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Forwarding;

/// <summary>How a pump ended. Peers that go away are everyday, so this is a result and no exception.</summary>
internal enum PumpEnd
{
    /// <summary>The socket's peer sends no more.</summary>
    Eof,
    /// <summary>The socket failed: reset, or closed under us.</summary>
    Failed,
    /// <summary>The channel takes no more.</summary>
    ChannelClosed,
}

/// <summary>Carries bytes from a socket to a channel. Received straight into packets, behind their headers, so nothing is copied; waiting for the socket holds
/// no buffer. Reads grow while they come back full, and more than one packet is then filled by one system call.</summary>
internal sealed class SocketPump(Socket socket, SocketReadiness readiness, SshChannel channel)
{
    private const int SmallRead = 32 * 1024;
    private const int MaxSegments = 8;

    [ThreadStatic]
    private static List<ArraySegment<byte>>? _segments;
    [ThreadStatic]
    private static PacketBuffer[]? _packets;

    private int _readSize = SmallRead;

    /// <param name="early">Bytes to send first.</param>
    public async Task<PumpEnd> RunAsync(ReadOnlyMemory<byte> early = default)
    {
        int streak = ThreadTurn.Borrowed; // it may begin on the receive loop, inside the answer that opened the channel
        try
        {
            if (!early.IsEmpty && !await channel.SendAsync(early).ConfigureAwait(false))
                return PumpEnd.ChannelClosed;
            while (true)
            {
                int allowance = channel.SendAllowance;
                if (allowance < 0)
                    return PumpEnd.ChannelClosed;
                if (allowance == 0)
                {
                    await channel.WaitToPumpAsync().ConfigureAwait(false);
                    streak = 0;
                    continue;
                }
                int wanted = Math.Min(allowance, _readSize);
                int count = Receive(wanted);
                if (count == 0)
                    return PumpEnd.Eof;
                if (count < wanted)
                {
                    // Drained: the next thing to do is to wait, without a buffer.
                    await readiness.WaitReadableAsync().ConfigureAwait(false);
                    streak = 0;
                }
                else if (ThreadTurn.IsOver(ref streak))
                {
                    await ThreadTurn.NextAsync();
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            return PumpEnd.Failed;
        }
    }

    /// <summary>Receives up to <paramref name="wanted"/> bytes and sends them. 0 at the end of the stream, -1 when nothing is there.</summary>
    private int Receive(int wanted)
    {
        int count = wanted <= channel.MaxData ? ReceiveOne(wanted) : ReceiveMany(wanted);
        // Only now: whatever sending makes room for may go on right here, another pump with this thread's lists among it.
        if (count > 0)
        {
            readiness.Received(count);
            channel.Flush();
        }
        if (count == wanted && wanted == _readSize)
            _readSize = Math.Min(_readSize * 2, MaxSegments * SmallRead);
        else if (count < _readSize / 4)
            _readSize = Math.Max(_readSize / 2, SmallRead);
        return count;
    }

    private int ReceiveOne(int wanted)
    {
        var packet = channel.Rent(wanted);
        int count = 0;
        try
        {
            count = socket.Receive(packet.DataArea(wanted).Span, SocketFlags.None, out var error);
            count = Check(count, error);
        }
        finally
        {
            if (count <= 0)
                packet.Return();
        }
        if (count > 0)
            channel.SendData(packet, count, flush: false);
        return count;
    }

    private int ReceiveMany(int wanted)
    {
        var segments = _segments ??= new List<ArraySegment<byte>>(MaxSegments);
        var packets = _packets ??= new PacketBuffer[MaxSegments];
        int used = 0;
        for (int rest = wanted; rest > 0 && used < MaxSegments; used++)
        {
            int size = Math.Min(rest, channel.MaxData);
            packets[used] = channel.Rent(size);
            segments.Add(new ArraySegment<byte>(packets[used].Array, PacketBuffer.DataOffset, size));
            rest -= size;
        }
        int count = 0;
        int filled = 0;
        try
        {
            count = socket.Receive(segments, SocketFlags.None, out var error);
            count = Check(count, error);
            for (int rest = count; rest > 0; filled++)
            {
                int size = Math.Min(rest, segments[filled].Count);
                rest -= size;
                channel.SendData(packets[filled], size, flush: false);
            }
        }
        finally
        {
            for (int i = filled; i < used; i++)
                packets[i].Return();
            Array.Clear(packets, 0, used);
            segments.Clear();
        }
        return count;
    }

    private static int Check(int count, SocketError error) => error switch
    {
        SocketError.Success => count,
        SocketError.WouldBlock => ByteTransport.WouldBlock,
        _ => throw new SocketException((int)error),
    };
}
