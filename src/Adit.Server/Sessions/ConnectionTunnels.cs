using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Server.Users;
using Adit.Ssh;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Sessions;

/// <summary>The tunnel devices of one connection. What is allowed is asked at each open, of the grant of then, and again at reviews: PermitTunnel, DisableForwarding, the options of the
/// key and the certificate (INVARIANTS 23, 24). The device is opened with the identity of the account, so that the kernel says who gets which.</summary>
internal sealed class ConnectionTunnels : IChannelHandler, IReviewed, IAsyncDisposable
{
    /// <summary>Devices of one connection.</summary>
    private const int Most = 64;

    private readonly ServiceContext _service;
    private readonly ServerLogin _login;
    private readonly IUserDatabase _users;
    private readonly TimeProvider _clock;
    private readonly Dictionary<TunnelMode, ReviewedChannels> _channels; // PermitTunnel may allow one mode of two
    private readonly TaskTracker _running = new();
    private int _count;

    public ConnectionTunnels(ServiceContext service, ServerLogin login, IUserDatabase users, TimeProvider clock)
    {
        (_service, _login, _users, _clock) = (service, login, users, clock);
        _channels = new[] { TunnelMode.PointToPoint, TunnelMode.Ethernet }.ToDictionary(mode => mode, Reviewed);
        service.Connection.Handle(TunnelFrames.ChannelType, this);
    }

    /// <summary>The interfaces of a connection's devices, as sessions are told of them (SSH_TUNNEL); empty for none.</summary>
    public static string NamesOf(SshConnection connection) =>
        string.Join(',', connection.OpenChannels.Select(channel => (channel.Sink as TunnelConnection)?.Device.Name).Where(name => name is not null));

    /// <summary>A session asked for behind it waits for its end.</summary>
    public void OnArrived() => _login.OpeningTunnels.Begin();

    public async ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
    {
        try
        {
            await DecideAsync(request, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _login.OpeningTunnels.End();
        }
    }

    private async Task DecideAsync(IncomingChannel request, CancellationToken cancellationToken)
    {
        var (number, unit) = Read(request.Data.Span);
        if (TunnelFrames.Mode(number) is not { } mode)
        {
            Refuse(request, "Unsupported tunnel device mode.");
            return;
        }

        var reviews = _channels[mode].Reviews;
        var grant = await _login.NowAsync(cancellationToken).ConfigureAwait(false);
        if (RuleAgainst(grant, mode) is { } rule)
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
        var all = 0;
        foreach (var channels in _channels.Values)
        {
            var (closed, rule) = await channels.ReviewAsync(cancellationToken).ConfigureAwait(false);
            all += closed;
            if (closed > 0)
            {
                report($"{closed} tunnel device(s) closed, not allowed any more: {rule}");
            }
        }

        return all;
    }

    public async ValueTask DisposeAsync() => await _running.WhenIdleAsync().ConfigureAwait(false);

    private async ValueTask OpenAsync(IncomingChannel request, TunnelMode mode, uint unit, int reviews)
    {
        TunnelConnection tunnel;
        try
        {
            var number = unit == TunnelFrames.AnyUnit ? -1 : (int)unit;
            tunnel = new TunnelConnection(await BlockingWork.RunAsync(() => UserTunnels.Open(_login.Account, _users, mode, number), CancellationToken.None).ConfigureAwait(false));
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
            await tunnel.AbandonAsync().ConfigureAwait(false);
            Interlocked.Decrement(ref _count);
            return;
        }

        _running.Add(RunAsync(tunnel));
        await _channels[mode].LookAgainAsync(channel, reviews, rule => _service.Logger.LogInformation("closed tunnel device {Name}: {Rule}", tunnel.Device.Name, rule)).ConfigureAwait(false);
    }

    private async Task RunAsync(TunnelConnection tunnel)
    {
        await tunnel.RunAsync().ConfigureAwait(false);
        Interlocked.Decrement(ref _count);
    }

    /// <summary>Throws <see cref="SshException"/> for malformed ones, which are refused then.</summary>
    private static (uint Mode, uint Unit) Read(ReadOnlySpan<byte> data)
    {
        var reader = new SshReader(data);
        var (mode, unit) = (reader.ReadUInt32(), reader.ReadUInt32());
        reader.EnsureEnd();
        return (mode, unit);
    }

    private ReviewedChannels Reviewed(TunnelMode mode) => new(
        _service.Connection,
        channel => channel.Sink is TunnelConnection tunnel && tunnel.Device.Mode == mode,
        async cancellationToken => RuleAgainst(await _login.NowAsync(cancellationToken).ConfigureAwait(false), mode));

    private string? RuleAgainst(LoginGrant grant, TunnelMode mode)
    {
        var permitted = grant.Config.Get(TunnelKeywords.PermitTunnel);
        return grant.RuleAgainst(LoginRight.Tunnel, _clock.GetUtcNow())
            ?? ((permitted & (PermittedTunnels)TunnelFrames.Number(mode)) == 0 ? $"PermitTunnel {TunnelKeywords.Name(permitted)}"
            : UserTunnels.Obstacle(_login.Account, _users) is { } obstacle ? obstacle
            : !_login.Account.IsRoot && !grant.Config.Get(SessionKeywords.ChrootDirectory).Equals("none", StringComparison.OrdinalIgnoreCase) ? "ChrootDirectory, where there is no /dev/net/tun"
            : null);
    }

    private void Refuse(IncomingChannel request, string rule)
    {
        _service.Logger.LogDebug("tunnel refused: {Rule}", rule);
        request.Reject(OpenFailureReason.ConnectFailed, "open failed", rule);
    }
}
