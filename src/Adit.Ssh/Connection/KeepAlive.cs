using Adit.Ssh.Transport;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Connection;

/// <summary>ServerAliveInterval and ClientAliveInterval: asks a silent peer for a sign of life and gives up when none comes. Any packet counts as one.</summary>
internal sealed class KeepAlive(SshTransport transport, GlobalRequests requests, TimeSpan interval, int countMax, TimeProvider time, ILogger logger) : IHeartbeatHandler
{
    private long _packets = -1;
    private long _since = time.GetTimestamp();
    private int _unanswered;

    public void OnHeartbeat()
    {
        long packets = transport.PacketsReceived;
        if (packets != _packets)
        {
            _packets = packets;
            _since = time.GetTimestamp();
            _unanswered = 0;
            return;
        }
        if (time.GetElapsedTime(_since) < interval || transport.Reason is not null)
            return;
        if (_unanswered >= countMax && !(transport.Role == SshRole.Server && countMax == 0))
        {
            string who = transport.RemoteAddress;
            transport.End(new SshException(SshError.KeepAliveTimeout,
                transport.Role == SshRole.Client ? $"Timeout, server {who} not responding." : $"Timeout, client not responding from {who} port {transport.RemotePort}")
            {
                Hint = $"no packet came for {interval.TotalSeconds * (countMax + 1):0} s and {_unanswered} keepalives went unanswered",
            });
            return;
        }
        _unanswered++;
        _since = time.GetTimestamp();
        logger.LogTrace("sending keepalive {Count} of {Max}", _unanswered, countMax);
        try
        {
            _ = requests.RequestAsync("keepalive@openssh.com", []).ContinueWith(static t => _ = t.Exception, CancellationToken.None,
                TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
        catch (SshException)
        {
            // the connection ended just now
        }
    }
}
