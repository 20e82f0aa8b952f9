using System.Buffers.Binary;
using System.Net.Sockets;
using Adit.Ssh.Connection;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>One connection from the server to the forwarded agent: requests come out of the channel one by one, answers go back in their order.</summary>
internal sealed class AgentChannel : IChannelSink
{
    private readonly InboundBytes _received = new();
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly AgentFilter _filter;
    private readonly IDisposable _agent;
    private readonly ILogger _logger;
    private SshChannel? _channel;

    /// <param name="filter">Answers.</param>
    /// <param name="agent">The connection behind it, which is closed with the channel.</param>
    /// <param name="logger">For what goes wrong.</param>
    public AgentChannel(AgentFilter filter, IDisposable agent, ILogger logger)
    {
        _filter = filter;
        _agent = agent;
        _logger = logger;
    }

    public void OnOpened(SshChannel channel)
    {
        _channel = channel;
        _received.Bind(channel);
    }

    public void OnData(ReadOnlyMemory<byte> data) => _received.Append(data.Span);

    public void OnBatchEnd() => _received.Signal();

    public void OnEof() => _received.End(null);

    public void OnClosed(SshException? reason)
    {
        _received.Abandon(); // nobody is there to get an answer
        _closed.TrySetResult();
        _channel?.Close();
    }

    /// <summary>Serves it to its end. Does not throw.</summary>
    public async Task RunAsync()
    {
        var channel = _channel ?? throw new InvalidOperationException("the channel is not open");
        try
        {
            var frames = new AgentFrames(_received);
            while (await frames.ReadAsync(CancellationToken.None).ConfigureAwait(false) is { } request)
            {
                byte[] reply = await AnswerAsync(request).ConfigureAwait(false);
                var frame = new byte[4 + reply.Length];
                BinaryPrimitives.WriteUInt32BigEndian(frame, (uint)reply.Length);
                reply.CopyTo(frame, 4);
                if (!await channel.SendAsync(frame).ConfigureAwait(false))
                    return;
            }
            channel.SendEof();
        }
        catch (Exception e) when (e is ObjectDisposedException or OperationCanceledException)
        {
            // the channel was closed, or the connection
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            _logger.LogDebug("agent forwarding: connection closed: {Reason}", e.Message);
        }
        finally
        {
            _agent.Dispose();
            _received.Abandon();
            channel.Close();
        }
    }

    /// <summary>Whoever waits for an answer may go, and then the agent, or the person that is asked, is not waited for either.</summary>
    private async Task<byte[]> AnswerAsync(byte[] request)
    {
        using var given = new CancellationTokenSource();
        var answering = _filter.AnswerAsync(request, given.Token).AsTask();
        if (await Task.WhenAny(answering, _closed.Task).ConfigureAwait(false) != answering)
            await given.CancelAsync().ConfigureAwait(false);
        return await answering.ConfigureAwait(false);
    }
}
