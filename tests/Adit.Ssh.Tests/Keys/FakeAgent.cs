using System.Buffers.Binary;
using System.Net.Sockets;

namespace Adit.Ssh.Tests.Keys;

/// <summary>Answers what the test says; null closes the connection.</summary>
internal sealed class FakeAgent : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly List<Socket> _accepted = [];
    private readonly Func<byte[], byte[]?> _answer;

    public FakeAgent(string path, Func<byte[], byte[]?> answer)
    {
        SocketPath = path;
        _answer = answer;
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen();
        _ = Task.Run(AcceptAsync);
    }

    public string SocketPath { get; }

    public int? AnnouncedLength { get; set; }

    public void Dispose()
    {
        _listener.Dispose();
        lock (_accepted)
            _accepted.ForEach(s => s.Dispose());
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptAsync();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
            lock (_accepted)
                _accepted.Add(socket);
            _ = Task.Run(() => ServeAsync(socket));
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        try
        {
            await using var stream = new NetworkStream(socket, ownsSocket: true);
            var head = new byte[4];
            while (true)
            {
                await stream.ReadExactlyAsync(head);
                var request = new byte[BinaryPrimitives.ReadInt32BigEndian(head)];
                await stream.ReadExactlyAsync(request);
                if (_answer(request) is not { } reply)
                    return;
                BinaryPrimitives.WriteInt32BigEndian(head, AnnouncedLength ?? reply.Length);
                await stream.WriteAsync(head);
                await stream.WriteAsync(reply);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or OperationCanceledException)
        {
            // the client left
        }
    }
}
