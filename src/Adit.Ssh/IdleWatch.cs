using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh;

/// <summary>ChannelTimeout and UnusedConnectionTimeout of one connection: looks about once a second which channels have carried data since.</summary>
internal sealed class IdleWatch : IHeartbeatHandler, IDisposable
{
    private const string Global = "global";

    private readonly SshConnection _connection;
    private readonly IReadOnlyList<ChannelTimeout> _timeouts;
    private readonly TimeSpan _global;
    private readonly TimeSpan _unused;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private Dictionary<SshChannel, Seen> _seen = [];
    private (long Opened, bool Any) _lastUse;
    private long _usedAt;
    private long _globalSince;
    private int _looking;

    private IdleWatch(SshConnection connection, IReadOnlyList<ChannelTimeout> timeouts, TimeSpan unused, TimeProvider time, ILogger logger)
    {
        _connection = connection;
        _timeouts = [.. timeouts.Where(timeout => timeout.Types != Global)];
        _global = timeouts.FirstOrDefault(timeout => timeout.Types == Global)?.Idle ?? TimeSpan.Zero;
        _unused = unused;
        _time = time;
        _logger = logger;
        _usedAt = _globalSince = time.GetTimestamp();
    }

    /// <param name="Traffic">What the channel had carried when it was last looked at.</param>
    /// <param name="Since">When that was seen first.</param>
    private readonly record struct Seen(long Traffic, long Since);

    /// <summary>Begins to watch until it is disposed of; null where there is nothing to watch for.</summary>
    public static IdleWatch? Start(SshConnection connection, IReadOnlyList<ChannelTimeout> timeouts, TimeSpan? unused, TimeProvider time, ILogger logger)
    {
        if (timeouts.Count == 0 && unused is not { Ticks: > 0 })
            return null;
        var watch = new IdleWatch(connection, timeouts, unused ?? TimeSpan.Zero, time, logger);
        Heartbeat.Of(time).Add(watch);
        return watch;
    }

    public void Dispose() => Heartbeat.Of(_time).Remove(this);

    public void OnHeartbeat()
    {
        // A look that takes longer than a second is not overtaken by the next.
        if (_connection.Transport.Reason is not null || Interlocked.Exchange(ref _looking, 1) != 0)
            return;
        if (_timeouts.Count > 0 || _global > TimeSpan.Zero)
            CloseIdleChannels();
        if (_unused > TimeSpan.Zero)
            EndUnusedConnection();
        Volatile.Write(ref _looking, 0);
    }

    private void CloseIdleChannels()
    {
        var seen = new Dictionary<SshChannel, Seen>();
        var channels = _connection.OpenChannels;
        bool moved = false;
        foreach (var channel in channels)
        {
            long traffic = channel.Traffic;
            bool same = _seen.TryGetValue(channel, out var before) && before.Traffic == traffic;
            moved |= !same;
            seen.Add(channel, same ? before : new Seen(traffic, _time.GetTimestamp()));
        }
        _seen = seen;
        if (moved || channels.Count == 0)
            _globalSince = _time.GetTimestamp();
        bool all = _global > TimeSpan.Zero && _time.GetElapsedTime(_globalSince) >= _global;
        foreach (var channel in channels)
        {
            var limit = LimitOf(channel);
            if (all || (limit > TimeSpan.Zero && _time.GetElapsedTime(seen[channel].Since) >= limit))
                Close(channel, all ? _global : limit);
        }
    }

    private void Close(SshChannel channel, TimeSpan limit)
    {
        string what = $"channel {channel.RemoteId}: {channel.Type}: closed after {limit.TotalSeconds:0} s without data (ChannelTimeout)";
        _logger.LogInformation("{What}, from {Remote} port {RemotePort}", what, _connection.Transport.RemoteAddress, _connection.Transport.RemotePort);
        _connection.Transport.Send(new DebugMessage(AlwaysDisplay: true, what));
        ChannelEnd.Abort(channel);
    }

    private TimeSpan LimitOf(SshChannel channel)
    {
        // The manual's names for types that have others on the wire.
        string type = channel.Type switch
        {
            "x11" => "x11-connection",
            "auth-agent@openssh.com" or "agent-connect" => "agent-connection",
            "tun@openssh.com" => "tun-connection",
            var other => channel.ExtendedType ?? other,
        };
        return _timeouts.FirstOrDefault(timeout => PatternList.MatchPattern(type, timeout.Types))?.Idle ?? TimeSpan.Zero;
    }

    private void EndUnusedConnection()
    {
        var use = (_connection.ChannelsOpened, _connection.ChannelCount > 0);
        if (use != _lastUse || use.Item2)
        {
            _lastUse = use;
            _usedAt = _time.GetTimestamp();
            return;
        }
        if (_time.GetElapsedTime(_usedAt) < _unused)
            return;
        var transport = _connection.Transport;
        string what = $"terminating inactive connection from {transport.RemoteAddress} port {transport.RemotePort}";
        _logger.LogInformation("{What}", what);
        transport.End(new SshException(SshError.Closed, what)
        {
            Hint = $"it had no channel for {_unused.TotalSeconds:0} s (UnusedConnectionTimeout)",
            DisconnectReason = DisconnectReason.ByApplication,
        });
    }
}
