using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Connection;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Forwarding;

/// <summary>One forwarded connection: a socket on this side, a channel to the other. Each direction ends by itself: the socket's end becomes EOF, EOF becomes
/// shutdown(SEND), and the channel is closed when both have ended. It knows no role.</summary>
internal sealed class ForwardConnection : IChannelSink
{
    private readonly Socket _socket;
    private readonly SocketReadiness _readiness;
    private readonly SocketSink _sink;
    private readonly ReadOnlyMemory<byte> _greeting;
    private readonly ReadOnlyMemory<byte> _early;
    private SshChannel? _channel;

    /// <summary>Takes the socket over; one whose peer has gone already shows that at the first read.</summary>
    /// <param name="socket">Connected.</param>
    /// <param name="greeting">A few bytes for the socket's peer once the channel is open, before all that comes from there: a proxy's yes.</param>
    /// <param name="early">Bytes for the channel that were read from the socket already.</param>
    public ForwardConnection(Socket socket, ReadOnlyMemory<byte> greeting = default, ReadOnlyMemory<byte> early = default)
    {
        _greeting = greeting;
        _early = early;
        _socket = socket;
        _readiness = new SocketReadiness(socket);
        try
        {
            socket.Blocking = false;
            if (socket.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6)
                socket.NoDelay = true;
        }
        catch (SocketException)
        {
            socket.Dispose();
        }
        _sink = new SocketSink(socket, _readiness);
    }

    public void OnOpened(SshChannel channel)
    {
        _channel = channel;
        _sink.Channel = channel;
        if (!_greeting.IsEmpty)
            Greet();
    }

    public void OnData(ReadOnlyMemory<byte> data) => _sink.OnData(data);

    public void OnBatchEnd() => _sink.Flush();

    public void OnEof() => _sink.OnEnd();

    public void OnClosed(SshException? reason)
    {
        if (reason is not null)
        {
            // The bytes still under way are lost, so the socket's peer must not take this for an orderly end. The reset comes first:
            // once the sink has given up, RunAsync may close the socket the orderly way.
            Reset();
            _sink.Abort();
            return;
        }
        // The pump may be waiting for a socket that will never speak again: with the last byte delivered there is nobody to pump to.
        _sink.EndAndClose();
    }

    /// <summary>Carries bytes both ways until both directions have ended; call once the channel is open.</summary>
    public async Task RunAsync()
    {
        var channel = _channel ?? throw new InvalidOperationException("the channel is not open");
        var end = await new SocketPump(_socket, _readiness, channel).RunAsync(_early).ConfigureAwait(false);
        if (end == PumpEnd.Eof)
            channel.SendEof(flush: !_sink.IsDone); // with CLOSE, where that follows
        if (end != PumpEnd.Failed)
            await _sink.WhenDoneAsync().ConfigureAwait(false);
        channel.Close();
        _sink.Abort();
        _readiness.CloseSocket();
        await _sink.WhenDrainedAsync().ConfigureAwait(false);
    }

    /// <summary>The address that the socket is connected to; null for a Unix socket, or when it has ended.</summary>
    public IPAddress? Peer
    {
        get
        {
            try
            {
                return SocketCalls.Remote(_socket)?.Address;
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return null;
            }
        }
    }

    /// <summary>Ends both sides now, from any thread: the socket's peer sees a reset.</summary>
    public void Abort()
    {
        Reset();
        _sink.Abort();
        _channel?.Close();
    }

    /// <summary>Closes the socket without a channel: it could not be opened.</summary>
    public void Abandon() => _readiness.CloseSocket();

    /// <summary>A socket that has sent next to nothing has room for this; one that has not is as good as gone.</summary>
    private void Greet()
    {
        try
        {
            if (_socket.Send(_greeting.Span, SocketFlags.None, out _) == _greeting.Length)
                return;
        }
        catch (ObjectDisposedException)
        {
            // its peer has gone meanwhile
        }
        Reset();
        _sink.Abort();
    }

    private void Reset()
    {
        try
        {
            _socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // already closed, or no TCP
        }
        _readiness.CloseSocket();
    }
}
