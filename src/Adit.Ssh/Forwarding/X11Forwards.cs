using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Adit.Ssh.Connection;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>Client side of X11 forwarding: asks for it on sessions, and takes the channels in which the server then brings connections to the display. The server gets a random
/// cookie (RFC 4254, section 6.3.1); the display's own never leaves this machine.</summary>
internal sealed class X11Forwards(SshConnection connection, TaskTracker connections, IForwardDialer dialer, ILogger logger, TimeProvider time)
    : IChannelHandler, IHeartbeatHandler, IDisposable
{
    public const string Channel = "x11";

    /// <summary>The request for it, on a session.</summary>
    public const string Request = "x11-req";

    /// <summary>As long as MIT-MAGIC-COOKIE-1's.</summary>
    private const int UsualCookieLength = 16;

    /// <summary>As OpenSSH's client: a window's small messages are not to wait behind large ones.</summary>
    private const int MaximumPacket = 16 * 1024;

    /// <summary>Connections at once: as many as an X server takes from all its clients by default.</summary>
    private const int MaxChannels = 256;

    /// <summary>Those of them that have not shown the cookie yet. The next is connected when one of these was judged: a server that shows none must not take all the X server's places.</summary>
    private const int MaxUnproven = 16;

    /// <summary>An X server that does not take a connection by then is as good as none.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>How long ahead of the timeout the person is told, where it is not short.</summary>
    private static readonly TimeSpan Notice = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _unproven = new(MaxUnproven);
    private readonly OfferedPlaces _places = new("X11", "display", MaxChannels, connections, logger);
    private Grant? _grant;
    private bool _wasUsed;
    private bool _isWatching;

    /// <param name="Display">The display.</param>
    /// <param name="HandedOut">The cookie that the server has for it.</param>
    /// <param name="Real">The one that the X server is shown.</param>
    /// <param name="Since">When it was first asked for.</param>
    private sealed record Grant(ForwardedDisplay Display, byte[] HandedOut, byte[] Real, long Since);

    /// <summary>The line about a connection that came after ForwardX11Timeout.</summary>
    public static void TellExpired(ILogger logger) => logger.LogInformation(LogEvents.DisplayExpired, "Rejected X11 connection after ForwardX11Timeout expired");

    /// <summary>Asks for it on a session's channel, before its program starts. False when the server refuses. All sessions get the same cookie for the same display.</summary>
    public Task<bool> AskAsync(SshChannel session, ForwardedDisplay display)
    {
        Grant grant;
        lock (_lock)
        {
            if (!ReferenceEquals(_grant?.Display, display))
                _grant = Create(display); // before the request leaves: a channel may be the answer
            grant = _grant;
        }
        Watch();
        // boolean single connection | string authorization protocol | string cookie, hexadecimal | uint32 screen
        var writer = new SshWriter(128);
        writer.WriteBoolean(false);
        writer.WriteString(display.AuthorizationName);
        writer.WriteString(Convert.ToHexStringLower(grant.HandedOut));
        writer.WriteUInt32((uint)display.Display.Screen);
        return session.RequestAsync(Request, writer.Written);
    }

    public async ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
    {
        Grant? grant;
        lock (_lock)
            grant = _grant;
        if (grant is null)
        {
            _places.Refuse(request);
            return;
        }
        if (IsExpired(grant))
        {
            TellExpired(logger);
            Refuse(request);
            return;
        }
        logger.LogDebug("client_request_x11: request from {From}", ReadOriginator(request.Data.Span));
        await _places.TakeAsync(request, () => OpenAsync(request, grant, cancellationToken)).ConfigureAwait(false);
    }

    void IHeartbeatHandler.OnHeartbeat()
    {
        TimeSpan left;
        lock (_lock)
        {
            if (!_isWatching || _grant is not { Display.Timeout: { } timeout } grant)
                return;
            left = timeout - time.GetElapsedTime(grant.Since);
            if (left > Notice || left > timeout / 4)
                return;
        }
        Dispose();
        // Who has no window from there has no use for the line: -X is often set for all hosts.
        if (Volatile.Read(ref _wasUsed))
        {
            string when = left < TimeSpan.FromSeconds(1) ? "" : $"in {left.TotalSeconds:0} s ";
            logger.LogInformation("X11 forwarding: {When}new programs get no display any more (ForwardX11Timeout); windows that are open stay.", when);
        }
    }

    /// <summary>Does not look at the clock any more.</summary>
    public void Dispose()
    {
        lock (_lock)
            _isWatching = false;
        Heartbeat.Of(time).Remove(this);
    }

    // string originator address | uint32 originator port
    private static string ReadOriginator(ReadOnlySpan<byte> data)
    {
        var reader = new SshReader(data);
        string from = $"{PeerText.Escape(reader.ReadText(), 256)} {reader.ReadUInt32()}";
        reader.EnsureEnd();
        return from;
    }

    private static void Refuse(IncomingChannel request) => request.Reject(OpenFailureReason.AdministrativelyProhibited, "open failed");

    private Grant Create(ForwardedDisplay display)
    {
        byte[] real = display.Cookie.IsEmpty ? RandomNumberGenerator.GetBytes(UsualCookieLength) : display.Cookie.ToArray();
        return new Grant(display, RandomNumberGenerator.GetBytes(real.Length), real, time.GetTimestamp());
    }

    private bool IsExpired(Grant grant) => grant.Display.Timeout is { } timeout && time.GetElapsedTime(grant.Since) >= timeout;

    /// <summary>Looks at the clock where there is a timeout to tell about.</summary>
    private void Watch()
    {
        lock (_lock)
        {
            if (_isWatching || _grant is not { Display.Timeout: not null } grant || IsExpired(grant))
                return;
            _isWatching = true;
        }
        Heartbeat.Of(time).Add(this);
        if (connection.Transport.Reason is not null)
            Dispose(); // it ended meanwhile, and the call that ends the watch may have come before
    }

    /// <summary>Answers the request. Returns what carries the connection, or a finished task.</summary>
    private async Task<Task> OpenAsync(IncomingChannel request, Grant grant, CancellationToken cancellationToken)
    {
        if (!await WaitForTurnAsync(cancellationToken).ConfigureAwait(false))
        {
            request.Reject(OpenFailureReason.ResourceShortage, "open failed");
            return Task.CompletedTask;
        }
        if (await ConnectAsync(grant.Display.Display, cancellationToken).ConfigureAwait(false) is not { } socket)
        {
            _unproven.Release();
            Refuse(request);
            return Task.CompletedTask;
        }
        var setup = new X11Setup(Encoding.ASCII.GetBytes(grant.Display.AuthorizationName), grant.HandedOut, grant.Real);
        var carried = new X11Connection(socket, setup, () => IsExpired(grant), () => _unproven.Release(), logger, time);
        Volatile.Write(ref _wasUsed, true); // before the peer knows of the channel, and goes on
        if (request.Accept(carried, MaximumPacket) is null)
        {
            carried.Abandon();
            return Task.CompletedTask;
        }
        return carried.RunAsync();
    }

    /// <summary>False when too many others show nothing for too long.</summary>
    private async ValueTask<bool> WaitForTurnAsync(CancellationToken cancellationToken)
    {
        if (_unproven.Wait(0, CancellationToken.None))
            return true;
        logger.LogDebug("X11 forwarding: {Count} connections have not shown their cookie yet, the next one waits", MaxUnproven);
        using var deadline = new CancellationTokenSource(Patience, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            await _unproven.WaitAsync(both.Token).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <summary>Null where the display cannot be reached, which has been told.</summary>
    private async ValueTask<Socket?> ConnectAsync(X11Display display, CancellationToken cancellationToken)
    {
        string place = display.SocketPath ?? $"{display.Host} port {display.Port}";
        using var deadline = new CancellationTokenSource(Patience, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            return display.SocketPath is { } path
                ? await UnixSocket.ConnectAsync(path, both.Token).ConfigureAwait(false)
                : await dialer.ConnectAsync(display.Host!, display.Port, static (_, _) => new(true), both.Token).ConfigureAwait(false);
        }
        catch (SshException e)
        {
            logger.LogError("connect {Place}: {Reason}", place, e.Message);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            logger.LogError("connect {Place}: {Reason}", place, "Connection timed out");
        }
        return null;
    }
}
