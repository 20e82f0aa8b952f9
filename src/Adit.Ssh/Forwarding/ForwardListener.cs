using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>How a forward's listener binds.</summary>
public sealed class ListenOptions
{
    /// <summary>Limits names and wildcards to one family; Unspecified for both.</summary>
    public AddressFamily AddressFamily { get; init; } = AddressFamily.Unspecified;

    /// <summary>Whether a forward without a bind address listens on all addresses instead of loopback (GatewayPorts, -g).</summary>
    public bool GatewayPorts { get; init; }

    /// <summary>StreamLocalBindUnlink: a socket file in the way is removed first, in use or not. Nothing but a socket ever is.</summary>
    public bool UnlinkFirst { get; init; }

    /// <summary>StreamLocalBindMask: permission bits, 0 to 0777, that a socket file does not get. It gets all others: 0177 leaves reading and writing (that is,
    /// connecting) to its owner.</summary>
    public UnixFileMode BindMask { get; init; } = (UnixFileMode)0b001_111_111;

    /// <summary>An address that somebody else has, or may have, counts as all of them; one that this machine does not have is left out in silence.</summary>
    internal bool AllOrNone { get; init; }
}

/// <summary>Accepts connections for a forward on one or more sockets. It knows no role: -L on a client and -R on a server are the same listener.</summary>
internal sealed class ForwardListener : IAsyncDisposable
{
    /// <summary>A burst of connections beyond the backlog is not delayed but partly reset (failed SYN cookies), so it is the kernel's maximum rather than the usual 128.</summary>
    private const int AcceptBacklog = 4096;

    private readonly List<Socket> _sockets = [];
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationToken _stopped; // outlives its source: a listener may be closed before it has begun to accept
    private Task _accepting = Task.CompletedTask;
    private int _disposed;

    private ForwardListener(ILogger logger) => (_logger, _stopped) = (logger, _stop.Token);

    /// <summary>What is really listened on.</summary>
    public IReadOnlyList<ForwardAddress> Bound { get; private set; } = [];

    /// <summary>Why one of the addresses is not listened on although others are; null when all are.</summary>
    public string? Missing { get; private set; }

    /// <summary>Binds every address that <paramref name="listen"/> stands for. Throws <see cref="SshException"/> (<see cref="SshError.ForwardFailed"/>) when none could be bound.</summary>
    public static async Task<ForwardListener> BindAsync(ForwardAddress listen, ListenOptions options, ILogger logger, CancellationToken cancellationToken) =>
        Bind(await ListenTarget.ResolveAsync(listen, options, cancellationToken).ConfigureAwait(false), options, logger);

    /// <summary>The same, for addresses that are known. Binds all it can or, throwing, none.</summary>
    public static ForwardListener Bind(ListenTarget target, ListenOptions options, ILogger logger)
    {
        var listener = new ForwardListener(logger);
        if (target.Listen.IsUnix)
            listener.Take(UnixSocket.Listen(target.Listen.Path!, options), target.Listen);
        else
            listener.BindTcp(target, options);
        return listener;
    }

    /// <summary>Takes over a socket that listens already.</summary>
    public static ForwardListener Of(Socket listening, ForwardAddress bound, ILogger logger)
    {
        var listener = new ForwardListener(logger);
        listener.Take(listening, bound);
        return listener;
    }

    /// <summary>Begins to accept; each connection's socket goes to <paramref name="accepted"/>, which must not block.</summary>
    public void Start(Action<Socket> accepted) => _accepting = Task.WhenAll(_sockets.Select(socket => AcceptLoop.RunAsync(socket, accepted, _logger, _stopped)));

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _stop.CancelAsync().ConfigureAwait(false);
        foreach (var socket in _sockets)
            socket.Dispose();
        await _accepting.ConfigureAwait(false);
        _stop.Dispose();
    }

    private void Take(Socket listening, ForwardAddress bound)
    {
        _sockets.Add(listening);
        Bound = [bound];
    }

    private void BindTcp(ListenTarget target, ListenOptions options)
    {
        var bound = new List<ForwardAddress>();
        int port = target.Listen.Port;
        (IPAddress Address, SocketException Error)? failure = null;
        foreach (var address in target.Addresses)
        {
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                if (address.AddressFamily == AddressFamily.InterNetworkV6)
                    socket.DualMode = false;
                // No ReuseAddress: .NET turns it into SO_REUSEPORT as well, and a second program could share the port. SO_REUSEADDR it sets by itself.
                socket.Bind(new IPEndPoint(address, port));
                socket.Listen(AcceptBacklog);
                _sockets.Add(socket);
                port = ((IPEndPoint)socket.LocalEndPoint!).Port; // the families of one forward share the port that the first was given
                bound.Add(ForwardAddress.Tcp(address.ToString(), port));
                _logger.LogDebug("Local forwarding listening on {Address} port {Port}.", address, port);
            }
            catch (SocketException e)
            {
                socket.Dispose();
                // OpenSSH's line names the last that it tries, of the loopback addresses 127.0.0.1.
                if (failure is null || !IPAddress.IsLoopback(address))
                    failure = (address, e);
                if (options.AllOrNone && !IsMissing(e))
                {
                    _sockets.ForEach(static other => other.Dispose());
                    bound.Clear();
                    break;
                }
            }
        }
        if (bound.Count == 0)
        {
            var (address, error) = failure!.Value;
            throw new SshException(SshError.ForwardFailed, $"bind [{address}]:{target.Listen.Port}: {SocketErrors.Describe(error)}", error) { Hint = Hint(error, target.Listen.Port) };
        }
        // A forward that is up on one loopback address only would send clients of the other to somebody else's service: never in silence.
        if (failure is { } partial)
        {
            Missing = $"bind [{partial.Address}]:{port}: {SocketErrors.Describe(partial.Error)}";
            _logger.Log(options.AllOrNone ? LogLevel.Debug : LogLevel.Error, "{Missing}", Missing);
        }
        Bound = bound;
    }

    /// <summary>The machine has no such address: nobody can be behind it.</summary>
    private static bool IsMissing(SocketException error) =>
        error.SocketErrorCode is SocketError.AddressNotAvailable or SocketError.AddressFamilyNotSupported or SocketError.ProtocolNotSupported;

    private static string? Hint(SocketException error, int port) => error.SocketErrorCode switch
    {
        SocketError.AddressAlreadyInUse => $"another program on this machine listens on port {port}: choose another port, or see who it is with: ss -ltnp 'sport = :{port}'",
        SocketError.AccessDenied => $"ports below 1024 belong to root: choose a port above, {port + 8000} say",
        SocketError.AddressNotAvailable => "no interface of this machine has that address: ip addr shows those it has",
        _ => null,
    };
}
