namespace Adit.Ssh.Connection;

/// <summary>Those requests of ours on one channel that want an answer (RFC 4254, section 5.4). Sessions make them and forwards do not, so a channel has this only once it made
/// one.</summary>
/// <param name="channel">Theirs.</param>
/// <param name="channelLock">The lock inside which the channel sends: the queue and the wire must agree on the order.</param>
internal sealed class ChannelRequests(SshChannel channel, Lock channelLock)
{
    /// <summary>What the peer has not answered, oldest first: answers carry no number.</summary>
    private readonly Queue<TaskCompletionSource<bool>> _unanswered = new();

    /// <summary>Sends one, and returns the peer's answer; false as well when the channel ends first.</summary>
    public Task<bool> SendAsync(string type, ReadOnlySpan<byte> data)
    {
        var answer = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (channelLock)
        {
            if (!channel.SendRequest(type, wantReply: true, data))
                return Task.FromResult(false);
            _unanswered.Enqueue(answer);
        }
        channel.Flush();
        return answer.Task;
    }

    /// <summary>An answer came in. False when nothing waits for one.</summary>
    public bool OnReply(bool success)
    {
        TaskCompletionSource<bool>? oldest;
        lock (channelLock)
        {
            if (!_unanswered.TryDequeue(out oldest))
                return false;
        }
        oldest.TrySetResult(success);
        return true;
    }

    /// <summary>No answer will come any more, and the channel sends no further request.</summary>
    public void End()
    {
        TaskCompletionSource<bool>[] left;
        lock (channelLock)
        {
            left = [.. _unanswered];
            _unanswered.Clear();
        }
        foreach (var waiting in left)
            waiting.TrySetResult(false);
    }
}
