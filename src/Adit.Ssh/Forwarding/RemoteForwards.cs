using System.Buffers.Binary;
using System.Net.Sockets;
using Adit.Ssh.Connection;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>The forwards that the peer listens for: asks for them, finds the one a forwarded channel belongs to, and connects to where it leads.</summary>
internal sealed class RemoteForwards(
    SshConnection connection, IForwardDialer dialer, TaskTracker connections, string serverName, ForwardFailures failures, ILogger logger, TimeProvider time) : IChannelHandler
{
    public const string TcpChannel = "forwarded-tcpip";
    public const string StreamLocalChannel = ForwardedStreamLocalData.ChannelType;

    private const string InTheWay = "a file of that name exists there (StreamLocalBindUnlink yes in its sshd_config replaces a socket that was left behind), its folder does not exist or is "
        + "not yours to write to";

    private readonly Lock _lock = new();
    private readonly ReverseSocks _socks = new(dialer, connections, failures, time, logger);

    /// <summary>By what the peer will name in a channel open: the address word for word as it was sent, with the real port; or the path.</summary>
    private readonly Dictionary<ForwardAddress, RemoteForward> _forwards = [];

    /// <summary>Asks the peer to listen. Throws <see cref="SshException"/> (<see cref="SshError.ForwardFailed"/>) when it refuses.</summary>
    public Task<RemoteForward> RequestAsync(ForwardAddress listen, ForwardAddress destination, CancellationToken cancellationToken) =>
        RequestAsync(new RemoteForward(this, listen, destination), cancellationToken);

    /// <summary>The same for a SOCKS proxy, whose clients <paramref name="mayConnect"/> judges.</summary>
    public Task<RemoteForward> RequestDynamicAsync(
        ForwardAddress listen, Func<RemoteDynamicRequest, CancellationToken, ValueTask<ForwardingDecision>> mayConnect, CancellationToken cancellationToken) =>
        RequestAsync(new RemoteForward(this, listen, null) { MayConnect = mayConnect }, cancellationToken);

    private async Task<RemoteForward> RequestAsync(RemoteForward forward, CancellationToken cancellationToken)
    {
        var listen = forward.Listen;
        // A port that is known is entered before the request leaves; one that the peer chooses when its answer is seen, which is before any channel open behind it.
        if ((listen.IsUnix || listen.Port != 0) && !TryAdd(forward))
            throw Failed(listen, $"{listen} is forwarded on this connection already");
        if (connection.Transport.IsBare)
            return Assume(forward);
        try
        {
            string name = listen.IsUnix ? StreamLocalForwardData.Listen : TcpipForwardData.Listen;
            byte[]? answer = await connection.Requests.RequestAsync(name, RequestData(forward), data => OnAnswer(forward, data)).WaitAsync(cancellationToken).ConfigureAwait(false);
            lock (_lock)
            {
                if (forward.State == RemoteForward.Stage.Up)
                    return forward;
            }
            throw Failed(listen, answer is null
                ? $"{serverName} did not listen: {(listen.IsUnix ? InTheWay : "the port is in use there")}, or its rules forbid it: "
                    + $"{(listen.IsUnix ? "AllowStreamLocalForwarding" : "PermitListen")}, AllowTcpForwarding, DisableForwarding, or the options of your key there"
                    + (listen.Port is > 0 and < 1024 ? "; ports below 1024 are for root there" : "")
                : $"{serverName} did not say which port it listens on");
        }
        catch (OperationCanceledException)
        {
            await AbandonAsync(forward).ConfigureAwait(false);
            throw;
        }
        catch
        {
            Remove(forward);
            throw;
        }
    }

    /// <summary>Another process holds the connection, and passes neither other requests nor answers on.</summary>
    private RemoteForward Assume(RemoteForward forward)
    {
        var listen = forward.Listen;
        if (listen.IsUnix || listen.Port == 0)
        {
            Remove(forward);
            throw Failed(listen, "in proxy mode a remote forward needs a port: neither paths nor ports that the server chooses can be asked for");
        }
        lock (_lock)
            forward.State = RemoteForward.Stage.Up;
        connection.Requests.Notify(TcpipForwardData.Listen, RequestData(forward));
        return forward;
    }

    /// <summary>Frees the peer's port. Completes when the peer has answered or the connection is over.</summary>
    public async ValueTask CancelAsync(RemoteForward forward)
    {
        lock (_lock)
        {
            if (forward.State != RemoteForward.Stage.Up)
                return;
            forward.State = RemoteForward.Stage.Cancelling;
        }
        if (connection.Transport.IsBare)
        {
            Remove(forward); // the listener ends with the passage
            return;
        }
        try
        {
            string name = forward.Listen.IsUnix ? StreamLocalForwardData.Cancel : TcpipForwardData.Cancel;
            if (await connection.Requests.RequestAsync(name, RequestData(forward), _ => Remove(forward)).ConfigureAwait(false) is null)
                logger.LogDebug("{Server} did not cancel the forward of {Listen}", serverName, forward.Listen);
        }
        catch (SshException)
        {
            Remove(forward); // the connection is over, and with it the listener
        }
    }

    public async ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
    {
        var (key, from) = request.ChannelType == TcpChannel ? ReadTcp(request.Data.Span) : ReadStreamLocal(request.Data.Span);
        if (Find(key, request) is not { } forward)
            return;
        forward.OnConnection();
        if (forward.Destination is not { } destination)
        {
            _socks.Take(request, forward, from);
            return;
        }
        try
        {
            var socket = await ConnectAsync(destination, cancellationToken).ConfigureAwait(false);
            var carried = new ForwardConnection(socket);
            if (request.Accept(carried) is null)
                carried.Abandon();
            else
                connections.Add(carried.RunAsync());
        }
        catch (SshException e)
        {
            failures.TellUnreachable(forward, destination, from, e);
            if (e.Error == SshError.NameResolution)
                request.Reject(OpenFailureReason.AdministrativelyProhibited, "open failed");
            else
                request.Reject(OpenFailureReason.ConnectFailed, e.Message);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            request.Reject(OpenFailureReason.ConnectFailed, "open failed"); // connected and reset at once
        }
    }

    /// <summary>The address as the peer is told it (OpenSSH's channel_rfwd_bind_host): none is "localhost", the wildcard is "".</summary>
    private static string BindHost(ForwardAddress listen) => listen.Host switch
    {
        null => "localhost",
        "*" => "",
        var host => host,
    };

    private static ForwardAddress Key(RemoteForward forward) =>
        forward.Listen.IsUnix ? forward.Listen : ForwardAddress.Tcp(BindHost(forward.Listen), forward.Port);

    /// <summary>The same for asking and for cancelling.</summary>
    private static byte[] RequestData(RemoteForward forward) => forward.Listen.Path is { } path
        ? new StreamLocalForwardData(path).ToArray()
        : new TcpipForwardData(BindHost(forward.Listen), (uint)forward.Port).ToArray();

    private (ForwardAddress Key, string From) ReadTcp(ReadOnlySpan<byte> data)
    {
        var open = TcpipChannelData.Read(data);
        string from = $"{PeerText.Escape(open.OriginatorHost, 256)} port {open.OriginatorPort}";
        logger.LogDebug("client_request_forwarded_tcpip: listen {Host} port {Port}, originator {From}", PeerText.Escape(open.Host, 256), open.Port, from);
        return (ForwardAddress.Tcp(open.Host, open.Port > 65535 ? -1 : (int)open.Port), from);
    }

    private (ForwardAddress Key, string From) ReadStreamLocal(ReadOnlySpan<byte> data)
    {
        string path = ForwardedStreamLocalData.Read(data).Path;
        string shown = PeerText.Escape(path, 256);
        logger.LogDebug("client_request_forwarded_streamlocal: request: {Path}", shown);
        return (ForwardAddress.Unix(path), shown);
    }

    /// <summary>Null when there is no such forward, and then the channel has been refused.</summary>
    private RemoteForward? Find(ForwardAddress key, IncomingChannel request)
    {
        RemoteForward? forward;
        lock (_lock)
        {
            if (_forwards.TryGetValue(key, out forward) && forward.State != RemoteForward.Stage.Cancelling)
                return forward;
        }
        if (forward is null && key.IsUnix)
            logger.LogError("WARNING: Server requests forwarding for unknown path {Path}", PeerText.Escape(key.Path!, 256));
        else if (forward is null)
            logger.LogError("WARNING: Server requests forwarding for unknown listen_port {Port}", key.Port);
        request.Reject(OpenFailureReason.AdministrativelyProhibited, "open failed");
        return null;
    }

    private ValueTask<Socket> ConnectAsync(ForwardAddress destination, CancellationToken cancellationToken) => destination.Path is { } path
        ? UnixSocket.ConnectAsync(path, cancellationToken)
        : dialer.ConnectAsync(destination.Host ?? "localhost", destination.Port, static (_, _) => new(true), cancellationToken);

    /// <summary>On the receive loop.</summary>
    private void OnAnswer(RemoteForward forward, byte[]? answer)
    {
        bool abandoned;
        lock (_lock)
        {
            abandoned = forward.State == RemoteForward.Stage.Ended;
            if (answer is null || !TryTakePort(forward, answer))
            {
                forward.State = RemoteForward.Stage.Ended;
                return;
            }
            if (!abandoned)
            {
                forward.State = RemoteForward.Stage.Up;
                forward.Note = Note(forward);
                _forwards.TryAdd(Key(forward), forward);
            }
        }
        logger.LogDebug("remote forward success for: listen {Listen}, connect {Destination}", forward.Listen, forward.Destination?.ToString() ?? "socks:0");
        // Whoever asked has given up meanwhile, and nobody else will take the listener down.
        if (abandoned)
            connection.Requests.Notify(forward.Listen.IsUnix ? StreamLocalForwardData.Cancel : TcpipForwardData.Cancel, RequestData(forward));
    }

    /// <summary>The answer to a request for port 0: <code>uint32 port</code></summary>
    private static bool TryTakePort(RemoteForward forward, byte[] answer)
    {
        if (forward.Listen.IsUnix || forward.Listen.Port != 0)
            return true;
        if (answer.Length < 4 || BinaryPrimitives.ReadUInt32BigEndian(answer) is not (> 0 and <= 65535 and var port))
            return false;
        forward.Port = (int)port;
        return true;
    }

    private async Task AbandonAsync(RemoteForward forward)
    {
        bool up;
        lock (_lock)
        {
            up = forward.State == RemoteForward.Stage.Up;
            if (!up)
                RemoveLocked(forward);
        }
        if (up)
            await CancelAsync(forward).ConfigureAwait(false);
    }

    private bool TryAdd(RemoteForward forward)
    {
        lock (_lock)
            return _forwards.TryAdd(Key(forward), forward);
    }

    private void Remove(RemoteForward forward)
    {
        lock (_lock)
            RemoveLocked(forward);
    }

    private void RemoveLocked(RemoteForward forward)
    {
        forward.State = RemoteForward.Stage.Ended;
        var key = Key(forward);
        if (_forwards.TryGetValue(key, out var found) && found == forward)
            _forwards.Remove(key);
    }

    /// <summary>Our own server says where it really listens; others say nothing when they bind less than was asked for, and report success.</summary>
    private string? Note(RemoteForward forward) =>
        connection.Transport.Quirks.IsAdit || forward.Listen.IsUnix || forward.Listen.Host is null or "localhost" or "127.0.0.1" or "::1"
            ? null
            : $"{serverName} may listen on its loopback addresses only: without \"GatewayPorts clientspecified\" (or yes) in its sshd_config, "
                + $"OpenSSH binds 127.0.0.1 and ::1 whatever is asked for; \"ss -ltn sport = :{forward.Port}\" there shows it";

    private static SshException Failed(ForwardAddress listen, string hint) => new(SshError.ForwardFailed, listen.IsUnix
        ? $"remote port forwarding failed for listen path {listen.Path}"
        : $"remote port forwarding failed for listen port {listen.Port}")
    {
        Hint = hint,
    };
}
