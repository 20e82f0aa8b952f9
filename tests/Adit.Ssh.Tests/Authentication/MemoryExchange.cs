using System.Collections.Concurrent;
using System.Threading.Channels;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>Two ends of an in-memory connection after the key exchange: what one sends the other receives, in order.</summary>
internal sealed class MemoryExchange : IMessageExchange
{
    private readonly Channel<byte[]> _inbox = Channel.CreateUnbounded<byte[]>();
    private readonly TimeProvider _time;
    private MemoryExchange? _peer;

    private MemoryExchange(SshRole role, TimeProvider time)
    {
        Role = role;
        _time = time;
    }

    public static (MemoryExchange Client, MemoryExchange Server) Pair(TimeProvider? time = null)
    {
        var client = new MemoryExchange(SshRole.Client, time ?? TimeProvider.System);
        var server = new MemoryExchange(SshRole.Server, time ?? TimeProvider.System);
        client._peer = server;
        server._peer = client;
        return (client, server);
    }

    public SshRole Role { get; }

    public ReadOnlyMemory<byte> SessionId { get; set; } = Enumerable.Range(0, 32).Select(i => (byte)i).ToArray();

    public PublicKey HostKey { get; set; } = TestKeys.Host.PublicKey;

    public ReadOnlyMemory<byte> HostKeySignature => Role == SshRole.Client ? TestKeys.Host.Sign("ssh-ed25519", SessionId.Span) : default;

    public string RemoteVersion => "SSH-2.0-test";

    public PeerExtensions Extensions { get; set; } = new();

    public string RemoteAddress => "192.0.2.7";

    public int RemotePort => 50022;

    /// <summary>Everything sent from this end, with the time it was sent.</summary>
    public ConcurrentQueue<(byte[] Payload, long Timestamp)> Sent { get; } = new();

    /// <summary>Login completed at this (server) end.</summary>
    public bool IsComplete { get; private set; }

    public void Send(ReadOnlySpan<byte> payload)
    {
        byte[] copy = payload.ToArray();
        Sent.Enqueue((copy, _time.GetTimestamp()));
        _peer!._inbox.Writer.TryWrite([.. copy]);
    }

    public async ValueTask<byte[]> ReceiveAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _inbox.Reader.ReadAsync(cancellationToken);
        }
        catch (ChannelClosedException e) when (e.InnerException is SshException cause)
        {
            throw cause;
        }
    }

    public void CompleteAuthentication()
    {
        Assert.Equal(SshRole.Server, Role);
        Assert.False(IsComplete);
        IsComplete = true;
        Send([52]);
    }

    /// <summary>Ends the connection for both ends: what was sent before still arrives.</summary>
    public void End(SshException reason)
    {
        _inbox.Writer.TryComplete(reason);
        _peer!._inbox.Writer.TryComplete(reason);
    }
}
