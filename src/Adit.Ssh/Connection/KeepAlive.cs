using Adit.Ssh.Transport;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Connection;

/// <summary>ServerAliveInterval and ClientAliveInterval: asks a silent peer for a sign of life and gives up when none comes. Whatever arrives counts as one, a part of a packet too.</summary>
internal sealed class KeepAlive(SshTransport transport, GlobalRequests requests, ConnectionOptions options, TimeSpan? interval = null, int? countMax = null) : IHeartbeatHandler
{
    /// <summary>What OpenSSH asks with: every peer answers it, most of them by refusing.</summary>
    public const string RequestName = "keepalive@openssh.com";

    private readonly TimeSpan _interval = interval ?? options.KeepAliveInterval;
    private readonly int _countMax = countMax ?? options.KeepAliveCountMax;
    private readonly TimeProvider _time = options.TimeProvider;
    private long _heard = -1;
    private long _since = options.TimeProvider.GetTimestamp();
    private int _unanswered;

    public void OnHeartbeat()
    {
        long heard = transport.ReceiveCount;
        if (heard != _heard)
        {
            _heard = heard;
            _since = _time.GetTimestamp();
            _unanswered = 0;
            return;
        }
        if (_time.GetElapsedTime(_since) < _interval || transport.Reason is not null)
            return;
        if (_unanswered >= _countMax && !(transport.Role == SshRole.Server && _countMax == 0))
        {
            string who = options.PeerName ?? transport.RemoteAddress;
            transport.End(new SshException(SshError.KeepAliveTimeout,
                transport.Role == SshRole.Client ? $"Timeout, server {who} not responding." : $"Timeout, client not responding from {transport.RemoteAddress} port {transport.RemotePort}")
            {
                Hint = $"nothing came for {_interval.TotalSeconds * (_countMax + 1):0} s and {_unanswered} keepalives went unanswered",
            });
            return;
        }
        _unanswered++;
        _since = _time.GetTimestamp();
        options.Logger.LogTrace("sending keepalive {Count} of {Max}", _unanswered, _countMax);
        try
        {
            _ = requests.RequestAsync(RequestName, []).ContinueWith(static t => _ = t.Exception, CancellationToken.None,
                TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
        catch (SshException)
        {
            // the connection ended just now
        }
    }
}
