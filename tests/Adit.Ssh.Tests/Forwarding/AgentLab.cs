using System.Buffers.Binary;
using System.Collections.Concurrent;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using Adit.Ssh.Tests.Authentication;
using Adit.Ssh.Tests.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>A client that forwards an agent to a server of the test's, which opens the channels by hand.</summary>
internal sealed class AgentLab : IAsyncDisposable
{
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    /// <summary>Whole answers.</summary>
    public static readonly byte[] Failure = [AgentMessages.Failure], Success = [AgentMessages.Success];

    private readonly ByHand _service = new();

    public KeygenFolder Folder { get; } = new();

    public ListLogger Log { get; } = new();

    public required TunnelPair Pair { get; set; }

    /// <summary>The server's end of the connection.</summary>
    public SshConnection Server => _service.Connection;

    /// <summary>Requests that the server saw on the session.</summary>
    public ConcurrentQueue<string> Requests => _service.Requests;

    public static async Task<AgentLab> ConnectAsync()
    {
        var lab = new AgentLab { Pair = null! };
        lab.Pair = await TunnelPair.ConnectAsync(client: options => options.LoggerFactory = new OneLogger(lab.Log), server: options => options.Services.Add(lab._service));
        return lab;
    }

    /// <summary>A session on which the agent was asked for, and the server knows it.</summary>
    public async Task<SshSession> AskAsync(ForwardedAgent agent)
    {
        var session = await Pair.Client.OpenSessionAsync().WaitAsync(Deadline);
        Pair.Client.ForwardAgent(session, agent);
        await session.ExecuteAsync("x").WaitAsync(Deadline);
        return session;
    }

    /// <summary>A connection to the agent, as a program at the server has it.</summary>
    public async Task<SshStream> OpenAsync(string type = AgentForwards.StandardChannel)
    {
        var stream = new ChannelStream();
        await Server.OpenAsync(type, default, stream, default).WaitAsync(Deadline);
        return stream;
    }

    public static byte[] Frame(ReadOnlySpan<byte> message)
    {
        var frame = new byte[4 + message.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, message.Length);
        message.CopyTo(frame.AsSpan(4));
        return frame;
    }

    public static async Task<byte[]> ReadAsync(Stream stream)
    {
        var head = new byte[4];
        await stream.ReadExactlyAsync(head).AsTask().WaitAsync(Deadline);
        var reply = new byte[BinaryPrimitives.ReadInt32BigEndian(head)];
        await stream.ReadExactlyAsync(reply).AsTask().WaitAsync(Deadline);
        return reply;
    }

    public static async Task<byte[]> ExchangeAsync(Stream stream, byte[] message)
    {
        await stream.WriteAsync(Frame(message)).AsTask().WaitAsync(Deadline);
        return await ReadAsync(stream);
    }

    /// <summary>A list of one key.</summary>
    public static byte[] Identities(PublicKey key, string comment)
    {
        var writer = new SshWriter(256);
        writer.WriteByte(AgentMessages.IdentitiesAnswer);
        writer.WriteUInt32(1);
        writer.WriteString(key.Blob.Span);
        writer.WriteString(comment);
        return writer.ToArray();
    }

    public async ValueTask DisposeAsync()
    {
        await Pair.DisposeAsync();
        Folder.Dispose();
    }

    private sealed class ByHand : IConnectionService, IAsyncDisposable
    {
        public SshConnection Connection { get; private set; } = null!;

        public ConcurrentQueue<string> Requests { get; } = new();

        public IAsyncDisposable Attach(ServiceContext context)
        {
            Connection = context.Connection;
            context.Connection.Handle("session", new Connection.AcceptAll(_ => new Sink(Requests)));
            return this;
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class Sink(ConcurrentQueue<string> requests) : IChannelSink
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
            requests.Enqueue($"{type}{(wantReply ? "" : " without an answer")}");
            return ChannelRequestAnswer.Success;
        }
    }
}
