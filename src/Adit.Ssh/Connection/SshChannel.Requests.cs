using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Connection;

/// <summary>Channel requests and extended data, which sessions use and forwards do not.</summary>
internal sealed partial class SshChannel
{
    /// <summary>byte SSH_MSG_CHANNEL_EXTENDED_DATA, uint32 recipient channel, uint32 data type code, uint32 length.</summary>
    private const int ExtendedHeaderLength = 13;

    /// <summary>Requests of ours that the peer has not answered, oldest first: answers carry no number. Null until there is one.</summary>
    private Queue<TaskCompletionSource<bool>>? _unanswered;

    /// <summary>Sends SSH_MSG_CHANNEL_REQUEST that wants no answer, in order with the data.</summary>
    public void Notify(string type, ReadOnlySpan<byte> data)
    {
        lock (_lock)
            SendRequestLocked(type, wantReply: false, data);
        _transport.Flush();
    }

    /// <summary>Sends SSH_MSG_CHANNEL_REQUEST, in order with the data, and returns the peer's answer; false as well when the channel ends first.</summary>
    public Task<bool> RequestAsync(string type, ReadOnlySpan<byte> data)
    {
        var answer = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (!SendRequestLocked(type, wantReply: true, data))
                return Task.FromResult(false);
            (_unanswered ??= new()).Enqueue(answer);
        }
        _transport.Flush();
        return answer.Task;
    }

    /// <summary>Answers a channel request, unless our CLOSE has gone out.</summary>
    public void Answer(bool success)
    {
        lock (_lock)
        {
            if (_dead || _closeSent)
                return;
            var writer = new SshWriter(stackalloc byte[5]);
            new ChannelSignalMessage(success ? MessageId.ChannelSuccess : MessageId.ChannelFailure, RemoteId).Write(ref writer);
            _transport.SendControl(writer.Written, flush: false);
        }
        _transport.Flush();
    }

    /// <summary>Copies bytes into packets of extended data and queues them, waiting for room where there is none; they count against the same window as data. False when
    /// the channel takes no more. One sender at a time, with <see cref="SendAsync"/>'s among them. Throws <see cref="OperationCanceledException"/>.</summary>
    public async ValueTask<bool> SendExtendedAsync(uint code, ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default)
    {
        while (!data.IsEmpty)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int count = Math.Min(Math.Min(SendAllowance, MaxData - (ExtendedHeaderLength - PacketBuffer.DataHeaderLength)), data.Length);
            if (count < 0)
                return false;
            if (count == 0)
            {
                await WaitToSendAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }
            if (!SendExtended(code, data.Span[..count]))
                return false;
            data = data[count..];
        }
        return true;
    }

    /// <summary>An answer came in. False when nothing waits for one.</summary>
    internal bool OnReply(bool success)
    {
        TaskCompletionSource<bool>? oldest;
        lock (_lock)
        {
            if (_unanswered is null || !_unanswered.TryDequeue(out oldest))
                return false;
        }
        oldest.TrySetResult(success);
        return true;
    }

    private bool SendExtended(uint code, ReadOnlySpan<byte> data)
    {
        var packet = _transport.Rent(ExtendedHeaderLength + data.Length);
        packet.PayloadLength = ExtendedHeaderLength + data.Length;
        data.CopyTo(packet.Payload[ExtendedHeaderLength..]);
        lock (_lock)
        {
            if (_eofSent || _closeSent || _closeReceived || _dead)
            {
                packet.Return();
                return false;
            }
            var writer = new SshWriter(packet.Payload[..ExtendedHeaderLength]);
            writer.WriteMessageId(MessageId.ChannelExtendedData);
            writer.WriteUInt32(RemoteId);
            writer.WriteUInt32(code);
            writer.WriteUInt32((uint)data.Length);
            _sendWindow.Take(data.Length);
            _traffic += data.Length;
            _transport.Send(_lane, packet, flush: false);
        }
        _transport.Flush();
        return true;
    }

    private bool SendRequestLocked(string type, bool wantReply, ReadOnlySpan<byte> data)
    {
        if (_closeSent || _closeReceived || _dead)
            return false;
        var writer = new SshWriter(64 + data.Length);
        new ChannelRequestMessage { Recipient = RemoteId, RequestType = type, WantReply = wantReply, Data = data }.Write(ref writer);
        SendInLane(writer.Written);
        return true;
    }

    /// <summary>No answer will come any more.</summary>
    private void EndRequests()
    {
        Queue<TaskCompletionSource<bool>>? left;
        lock (_lock)
            (left, _unanswered) = (_unanswered, null);
        while (left is not null && left.TryDequeue(out var waiting))
            waiting.TrySetResult(false);
    }
}
