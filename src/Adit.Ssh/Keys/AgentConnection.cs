using System.Buffers.Binary;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Adit.Ssh.Keys;

/// <summary>Something that answers an agent's requests, one at a time.</summary>
internal interface IAgentExchange
{
    /// <summary>Sends a message (its type first) and returns the reply, the type first.</summary>
    ValueTask<byte[]> ExchangeAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken);
}

/// <summary>One connection to an agent: a request goes out, its reply comes back. Used by one request at a time.</summary>
// uint32 length | byte type | contents
internal sealed class AgentConnection : IAgentExchange, IDisposable
{
    /// <summary>OpenSSH's limit for messages in both directions.</summary>
    public const int MaxMessageLength = 256 * 1024;

    private readonly Socket _socket;

    private AgentConnection(Socket socket) => _socket = socket;

    /// <summary>True once the agent has answered something over this connection.</summary>
    public bool HasAnswered { get; private set; }

    public static async ValueTask<AgentConnection> OpenAsync(string socketPath, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellationToken).ConfigureAwait(false);
            return new AgentConnection(socket);
        }
        catch (ArgumentException e)
        {
            socket.Dispose();
            throw new IOException("the path is too long for a Unix socket", e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Sends a message (its type first) and returns the reply, the type first. Throws <see cref="IOException"/> when the agent is gone or
    /// answers nonsense, <see cref="SocketException"/> for everything else that happens to sockets. After an exception the connection is of no more use.</summary>
    public async ValueTask<byte[]> ExchangeAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        if (message.Length > MaxMessageLength)
            throw new IOException("the request is too long");
        var frame = new byte[4 + message.Length];
        try
        {
            BinaryPrimitives.WriteUInt32BigEndian(frame, (uint)message.Length);
            message.CopyTo(frame.AsMemory(4));
            for (int sent = 0; sent < frame.Length;)
                sent += await _socket.SendAsync(frame.AsMemory(sent), SocketFlags.None, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(frame); // may hold a private key
        }

        var head = new byte[4];
        await ReceiveAsync(head, cancellationToken).ConfigureAwait(false);
        uint length = BinaryPrimitives.ReadUInt32BigEndian(head);
        if (length is 0 or > MaxMessageLength)
            throw new IOException($"the agent announced a reply of {length} bytes");
        var reply = new byte[length];
        await ReceiveAsync(reply, cancellationToken).ConfigureAwait(false);
        HasAnswered = true;
        return reply;
    }

    public void Dispose() => _socket.Dispose();

    private async ValueTask ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (!buffer.IsEmpty)
        {
            int count = await _socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken).ConfigureAwait(false);
            if (count == 0)
                throw new EndOfStreamException("the agent closed the connection");
            buffer = buffer[count..];
        }
    }
}
