using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Ssh;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Sessions;

/// <summary>The tunnel devices of one connection. What is allowed is asked at each open, of the grant of then, and again at reviews: PermitTunnel, DisableForwarding, the options of the
/// key and the certificate (INVARIANTS 23, 24). Devices are opened as this process, so only for logins as its own user: another user's login would get what the kernel denies it.</summary>
internal sealed class ConnectionTunnels : IChannelHandler, IReviewed, IAsyncDisposable
{
    /// <summary>Devices of one connection.</summary>
    private const int Most = 64;

    private readonly ServiceContext _service;
    private readonly ServerLogin _login;
    private readonly uint _processUid;
    private readonly TimeProvider _clock;
    private readonly ReviewedChannels _channels;
    private readonly TaskTracker _running = new();
    private int _count;

    public ConnectionTunnels(ServiceContext service, ServerLogin login, uint processUid, TimeProvider clock)
    {
        (_service, _login, _processUid, _clock) = (service, login, processUid, clock);
        _channels = new ReviewedChannels(service.Connection, channel => channel.Type == TunnelFrames.ChannelType, RuleAgainstOpenAsync);
        service.Connection.Handle(TunnelFrames.ChannelType, this);
    }

    public async ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
    {
        var (number, unit) = Read(request.Data.Span);
        if (TunnelFrames.Mode(number) is not { } mode)
        {
            Refuse(request, "Unsupported tunnel device mode.");
            return;
        }

        var reviews = _channels.Reviews;
        var grant = await _login.NowAsync(cancellationToken).ConfigureAwait(false);
        if (RuleAgainst(grant, (PermittedTunnels)number) is { } rule)
        {
            Refuse(request, $"Server has rejected tunnel device forwarding ({rule})");
            return;
        }

        if (unit > TunnelFrames.HighestUnit && unit != TunnelFrames.AnyUnit)
        {
            Refuse(request, "there is no such tunnel device");
            return;
        }

        // A key's device is the one for whoever asks for any; who asks for another gets none.
        if (grant.Rights.TunnelDevice is { } given)
        {
            var forced = given < 0 ? TunnelFrames.AnyUnit : (uint)given;
            if (unit != TunnelFrames.AnyUnit && unit != forced)
            {
                Refuse(request, "another tunnel device than the key's tunnel option gives was asked for");
                return;
            }

            unit = forced;
        }

        if (Interlocked.Increment(ref _count) > Most)
        {
            Interlocked.Decrement(ref _count);
            Refuse(request, $"{Most} tunnel devices are open already");
            return;
        }

        await OpenAsync(request, mode, unit, reviews).ConfigureAwait(false);
    }

    /// <summary>Closes them where a rule came up.</summary>
    public async ValueTask<int> ReviewAsync(Action<string> report, CancellationToken cancellationToken)
    {
        var (closed, rule) = await _channels.ReviewAsync(cancellationToken).ConfigureAwait(false);
        if (closed > 0)
        {
            report($"closed {closed} tunnel devices: {rule}");
        }

        return closed;
    }

    public async ValueTask DisposeAsync() => await _running.WhenIdleAsync().ConfigureAwait(false);

    private async ValueTask OpenAsync(IncomingChannel request, TunnelMode mode, uint unit, int reviews)
    {
        TunnelConnection tunnel;
        try
        {
            tunnel = new TunnelConnection(TunnelInterface.Open(mode, unit == TunnelFrames.AnyUnit ? -1 : (int)unit));
        }
        catch (SshException e)
        {
            Interlocked.Decrement(ref _count);
            _service.Logger.LogDebug("sys_tun_open: {Reason}", e.Message);
            request.Reject(OpenFailureReason.ConnectFailed, "open failed", $"at the server: {e.Message}{(e.Hint is null ? "" : $". {e.Hint}")}");
            return;
        }

        _service.Logger.LogDebug("Tunnel forwarding using interface {Name}", tunnel.Device.Name);
        if (request.Accept(tunnel) is not { } channel)
        {
            tunnel.Abandon();
            Interlocked.Decrement(ref _count);
            return;
        }

        _running.Add(RunAsync(tunnel));
        await _channels.LookAgainAsync(channel, reviews, rule => _service.Logger.LogInformation("closed tunnel device {Name}: {Rule}", tunnel.Device.Name, rule)).ConfigureAwait(false);
    }

    private async Task RunAsync(TunnelConnection tunnel)
    {
        await tunnel.RunAsync().ConfigureAwait(false);
        Interlocked.Decrement(ref _count);
    }

    /// <summary>Malformed ones end the connection.</summary>
    private static (uint Mode, uint Unit) Read(ReadOnlySpan<byte> data)
    {
        var reader = new SshReader(data);
        var (mode, unit) = (reader.ReadUInt32(), reader.ReadUInt32());
        reader.EnsureEnd();
        return (mode, unit);
    }

    /// <summary>For those that are open: PermitTunnel may allow one mode of two, so each of the two that is open must be allowed.</summary>
    private async ValueTask<string?> RuleAgainstOpenAsync(CancellationToken cancellationToken)
    {
        var grant = await _login.NowAsync(cancellationToken).ConfigureAwait(false);
        var open = PermittedTunnels.None;
        foreach (var channel in _service.Connection.OpenChannels.Where(channel => channel.Type == TunnelFrames.ChannelType))
        {
            open |= (PermittedTunnels)Read(channel.OpenData.Span).Mode;
        }

        return RuleAgainst(grant, open);
    }

    private string? RuleAgainst(LoginGrant grant, PermittedTunnels wanted)
    {
        var permitted = grant.Config.Get(TunnelKeywords.PermitTunnel);
        return grant.RuleAgainst(LoginRight.Tunnel, _clock.GetUtcNow())
            ?? ((permitted & wanted) != wanted || permitted == PermittedTunnels.None ? $"PermitTunnel {TunnelKeywords.Name(permitted)}"
            : _login.Account.Uid != _processUid ? "devices are opened for the user that the server runs as only"
            : !grant.Config.Get(SessionKeywords.ChrootDirectory).Equals("none", StringComparison.OrdinalIgnoreCase) ? "ChrootDirectory"
            : null);
    }

    private void Refuse(IncomingChannel request, string rule)
    {
        _service.Logger.LogDebug("tunnel refused: {Rule}", rule);
        request.Reject(OpenFailureReason.ConnectFailed, "open failed", rule);
    }
}
