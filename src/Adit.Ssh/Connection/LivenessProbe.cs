using Adit.Ssh.Transport;

namespace Adit.Ssh.Connection;

/// <summary>Asks a peer for a sign of life now, whatever the keepalive interval. Who asks while another does shares the answer.</summary>
internal sealed class LivenessProbe(SshTransport transport, GlobalRequests requests, TimeProvider time)
{
    private readonly Lock _lock = new();
    private Task<bool>? _asking;

    /// <summary>False when nothing at all came from the peer within <paramref name="timeout"/>, or the connection is over.</summary>
    public Task<bool> AnswersAsync(TimeSpan timeout)
    {
        lock (_lock)
        {
            if (_asking is not { IsCompleted: false })
                _asking = AskAsync(timeout);
            return _asking;
        }
    }

    private async Task<bool> AskAsync(TimeSpan timeout)
    {
        long heard = transport.ReceiveCount;
        try
        {
            var answer = requests.RequestAsync(KeepAlive.RequestName, []);
            try
            {
                await answer.WaitAsync(timeout, time).ConfigureAwait(false);
                return true;
            }
            catch (TimeoutException)
            {
                _ = answer.ContinueWith(static t => _ = t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
                return transport.ReceiveCount != heard && transport.Reason is null;
            }
        }
        catch (SshException)
        {
            return false; // it ended just now
        }
    }
}
