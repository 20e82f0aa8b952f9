using System.Collections.Concurrent;
using System.Net.Sockets;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Tests.Authentication;
using Adit.Ssh.Tests.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>A client that forwards a display to a server of the test's, which opens the channels by hand. The X server is a socket that the test reads.</summary>
internal sealed class X11Lab : IAsyncDisposable
{
    public const string Protocol = "MIT-MAGIC-COOKIE-1";

    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly ByHand _service = new();
    private readonly KeygenFolder _folder = new();
    private readonly Socket _xServer = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    private X11Lab()
    {
        string path = _folder.File("X5");
        _xServer.Bind(new UnixDomainSocketEndPoint(path));
        _xServer.Listen(16);
        Display = ForwardedDisplay.Parse(path + ".2")! with { Cookie = Cookie };
    }

    /// <summary>The X server's own.</summary>
    public byte[] Cookie { get; } = [.. Enumerable.Range(200, 16).Select(i => (byte)i)];

    /// <summary>The X server, with its cookie.</summary>
    public ForwardedDisplay Display { get; }

    public ListLogger Log { get; } = new();

    public required TunnelPair Pair { get; set; }

    /// <summary>The last channel that the server opened.</summary>
    public SshChannel? Opened { get; private set; }

    /// <summary>Whether the server grants what it is asked for.</summary>
    public bool Grants { set => _service.Grants = value; }

    /// <summary>Requests that the server saw on sessions.</summary>
    public ConcurrentQueue<(string Type, byte[] Data, bool WantReply)> Requests => _service.Requests;

    public static async Task<X11Lab> ConnectAsync(TimeProvider? time = null)
    {
        var lab = new X11Lab { Pair = null! };
        lab.Pair = await TunnelPair.ConnectAsync(
            client: options =>
            {
                options.LoggerFactory = new OneLogger(lab.Log);
                options.TimeProvider = time ?? TimeProvider.System;
                options.KeepAliveInterval = TimeSpan.Zero; // no answer is as fast as time that is made to pass
            },
            server: options => options.Services.Add(lab._service)).WaitAsync(Deadline);
        return lab;
    }

    /// <summary>A session on which the display was asked for, and the cookie that the server got.</summary>
    public async Task<(SshSession Session, byte[] Cookie)> AskAsync(ForwardedDisplay? display = null)
    {
        var session = await Pair.Client.OpenSessionAsync().WaitAsync(Deadline);
        Assert.True(await session.RequestX11Async(display ?? Display).WaitAsync(Deadline));
        return (session, ReadRequest(Requests.Last().Data).Cookie);
    }

    public static (bool Single, string Protocol, byte[] Cookie, uint Screen) ReadRequest(byte[] data)
    {
        var reader = new SshReader(data);
        var request = (reader.ReadBoolean(), reader.ReadUtf8(), Convert.FromHexString(reader.ReadUtf8()), reader.ReadUInt32());
        reader.EnsureEnd();
        return request;
    }

    /// <summary>Opens a channel, as a server with a program at its display does.</summary>
    public async Task<SshStream> OpenAsync()
    {
        var writer = new SshWriter(64);
        writer.WriteString("192.0.2.1");
        writer.WriteUInt32(4711);
        var stream = new ChannelStream();
        Opened = await _service.Connection.OpenAsync("x11", writer.ToArray(), stream, default).WaitAsync(Deadline);
        return stream;
    }

    /// <summary>A connection has arrived at the X server, and was not taken yet.</summary>
    public bool IsCalled => _xServer.Poll(0, SelectMode.SelectRead);

    /// <summary>The connection that arrives at the X server next.</summary>
    public Task<Socket> AcceptAsync() => _xServer.AcceptAsync().WaitAsync(Deadline);

    /// <summary>Opens a channel that shows a cookie; the other end is in the X server, which has seen the setup with its own.</summary>
    public async Task<(SshStream Program, NetworkStream XServer)> OpenAsync(byte[] cookie)
    {
        var program = await OpenAsync();
        var xServer = new NetworkStream(await AcceptAsync(), ownsSocket: true);
        await program.WriteAsync(X11SetupTests.Bytes('l', Protocol, cookie)).AsTask().WaitAsync(Deadline);
        Assert.Equal(X11SetupTests.Bytes('l', Protocol, Cookie), await ReadAsync(xServer, 12 + 20 + 16));
        return (program, xServer);
    }

    public static async Task<byte[]> ReadAsync(Stream stream, int count)
    {
        var bytes = new byte[count];
        await stream.ReadExactlyAsync(bytes).AsTask().WaitAsync(Deadline);
        return bytes;
    }

    /// <summary>Waits until the other end is over, and asserts that nothing came before that.</summary>
    public static async Task EndsAsync(Stream stream)
    {
        int count = 0;
        try
        {
            count = await stream.ReadAsync(new byte[1]).AsTask().WaitAsync(Deadline);
        }
        catch (IOException)
        {
            // reset
        }
        Assert.Equal(0, count);
    }

    /// <summary>Waits for a line in the client's log: some are written when a connection is over already.</summary>
    public async Task LogsAsync(string text)
    {
        using var late = new CancellationTokenSource(Deadline);
        while (!Log.Texts.Contains(text))
            await Task.Delay(5, late.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await Pair.DisposeAsync();
        _xServer.Dispose();
        _folder.Dispose();
    }

    private sealed class ByHand : IConnectionService, IAsyncDisposable
    {
        public SshConnection Connection { get; private set; } = null!;

        public ConcurrentQueue<(string Type, byte[] Data, bool WantReply)> Requests { get; } = new();

        public bool Grants { get; set; } = true;

        public IAsyncDisposable Attach(ServiceContext context)
        {
            Connection = context.Connection;
            context.Connection.Handle("session", new Connection.AcceptAll(_ => new Sink(this)));
            return this;
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class Sink(ByHand service) : IChannelSink
    {
        private SshChannel? _channel;

        public void OnOpened(SshChannel channel) => _channel = channel;

        public void OnData(ReadOnlyMemory<byte> data)
        {
        }

        public void OnBatchEnd()
        {
        }

        public void OnEof()
        {
        }

        public void OnClosed(SshException? reason) => _channel?.Close();

        public ChannelRequestAnswer OnRequest(string type, ReadOnlySpan<byte> data, bool wantReply)
        {
            service.Requests.Enqueue((type, data.ToArray(), wantReply));
            return service.Grants ? ChannelRequestAnswer.Success : ChannelRequestAnswer.Failure;
        }
    }
}
