using System.Buffers.Binary;
using System.Net.Sockets;
using Adit.Ssh;
using Adit.Ssh.Wire;

namespace Adit.Cli.Multiplexing;

/// <summary>One connection between a master and a client: packets, and descriptors between them. <code>uint32 length · payload</code> Nothing is ever read beyond a
/// packet: the byte that follows may carry a descriptor.</summary>
internal sealed class MuxConnection(Socket socket) : IDisposable
{
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly byte[] _header = new byte[4];

    public Socket Socket => socket;

    /// <summary>The next packet; null at the end of the connection, however it came.</summary>
    /// <exception cref="SshException"><see cref="SshError.ProtocolError"/>: its length is out of bounds.</exception>
    public async Task<byte[]?> ReceiveAsync(CancellationToken cancellationToken = default)
    {
        if (!await FillAsync(_header, cancellationToken).ConfigureAwait(false))
        {
            return null;
        }

        var length = BinaryPrimitives.ReadUInt32BigEndian(_header);
        if (length is < 4 or > MuxProtocol.MaxPacket)
        {
            throw new SshException(SshError.ProtocolError, $"mux packet of {length} bytes");
        }

        var packet = new byte[length];
        return await FillAsync(packet, cancellationToken).ConfigureAwait(false) ? packet : null;
    }

    /// <summary>Sends a packet. False when the other end is gone.</summary>
    public async Task<bool> SendAsync(ReadOnlyMemory<byte> payload)
    {
        var packet = new byte[4 + payload.Length];
        BinaryPrimitives.WriteUInt32BigEndian(packet, (uint)payload.Length);
        payload.CopyTo(packet.AsMemory(4));
        await _sending.WaitAsync().ConfigureAwait(false);
        try
        {
            for (var rest = packet.AsMemory(); !rest.IsEmpty;)
            {
                rest = rest[await socket.SendAsync(rest).ConfigureAwait(false)..];
            }

            return true;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return false;
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>Sends a packet of whole words after its type.</summary>
    public Task<bool> SendAsync(MuxType type, params ReadOnlySpan<uint> words)
    {
        var writer = new SshWriter(16);
        writer.WriteUInt32((uint)type);
        foreach (var word in words)
        {
            writer.WriteUInt32(word);
        }

        return SendAsync(writer.ToArray());
    }

    /// <summary>Sends PERMISSION_DENIED or FAILURE.</summary>
    public Task<bool> SendErrorAsync(MuxType type, uint request, string message)
    {
        var writer = new SshWriter(16 + message.Length);
        writer.WriteUInt32((uint)type);
        writer.WriteUInt32(request);
        writer.WriteString(message);
        return SendAsync(writer.ToArray());
    }

    /// <summary>The other end said in its HELLO that it tells about its connection.</summary>
    public bool KnowsInformation { get; private set; }

    /// <summary>Sends HELLO and takes the other end's. False when it is gone; extensions that are not known are passed over.</summary>
    /// <exception cref="SshException"><see cref="SshError.ProtocolError"/>: it speaks another version, or something else.</exception>
    public async Task<bool> GreetAsync(CancellationToken cancellationToken)
    {
        if (!await SendAsync(Hello()).ConfigureAwait(false)
            || await ReceiveAsync(cancellationToken).ConfigureAwait(false) is not { } packet)
        {
            return false;
        }

        TakeHello(packet);
        return true;
    }

    public void Dispose()
    {
        socket.Dispose();
        _sending.Dispose();
    }

    private static byte[] Hello()
    {
        var writer = new SshWriter(32);
        writer.WriteUInt32((uint)MuxType.Hello);
        writer.WriteUInt32(MuxProtocol.Version);
        writer.WriteString(MuxProtocol.InformationExtension);
        writer.WriteString("0");
        return writer.ToArray();
    }

    private void TakeHello(byte[] packet)
    {
        var reader = new SshReader(packet);
        var type = reader.ReadUInt32();
        if (type != (uint)MuxType.Hello)
        {
            throw new SshException(SshError.ProtocolError, $"expected HELLO ({(uint)MuxType.Hello}) got {type}");
        }

        var version = reader.ReadUInt32();
        if (version != MuxProtocol.Version)
        {
            throw new SshException(SshError.ProtocolError, $"Unsupported multiplexing protocol version {version} (expected {MuxProtocol.Version})");
        }

        while (!reader.AtEnd)
        {
            KnowsInformation |= reader.ReadText() == MuxProtocol.InformationExtension;
            _ = reader.ReadString();
        }
    }

    private async Task<bool> FillAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            while (!buffer.IsEmpty)
            {
                var count = await socket.ReceiveAsync(buffer, cancellationToken).ConfigureAwait(false);
                if (count == 0)
                {
                    return false;
                }

                buffer = buffer[count..];
            }

            return true;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }
}
