using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Forwarding;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh;

/// <summary>One listening socket of a server, and its accept loop.</summary>
internal sealed class ServerListener : IDisposable
{
    private const int Backlog = 1024;

    private readonly Socket _socket;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationToken _stopped; // outlives its source
    private readonly IPEndPoint? _wanted;
    private int _disposed;

    private ServerListener(Socket socket, IPEndPoint? wanted, ILogger logger)
    {
        (_socket, _wanted, _logger, _stopped) = (socket, wanted, logger, _stop.Token);
        Bound = (IPEndPoint)socket.LocalEndPoint!;
    }

    /// <summary>What is really listened on.</summary>
    public IPEndPoint Bound { get; }

    /// <summary>Completes when it accepts no more.</summary>
    public Task Accepting { get; private set; } = Task.CompletedTask;

    /// <summary>Null when the address cannot be bound, which is logged.</summary>
    public static ServerListener? Bind(IPEndPoint endpoint, ILogger logger)
    {
        var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (endpoint.AddressFamily == AddressFamily.InterNetworkV6)
                socket.DualMode = false;
            // No ReuseAddress: .NET turns it into SO_REUSEPORT as well, and a second program could share the port. SO_REUSEADDR it sets by itself.
            socket.Bind(endpoint);
            socket.Listen(Backlog);
            return new ServerListener(socket, endpoint, logger);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            logger.LogError("Bind to port {Port} on {Address} failed: {Reason}.", endpoint.Port, endpoint.Address, SocketErrors.Describe(e));
            return null;
        }
    }

    /// <summary>A socket that listens already: it stays whatever the options say.</summary>
    public static ServerListener Adopt(Socket socket, ILogger logger) => new(socket, null, logger);

    /// <summary>Whether these addresses still want it.</summary>
    public bool IsWanted(IEnumerable<IPEndPoint> endpoints) => _wanted is null || endpoints.Any(endpoint => endpoint.Equals(_wanted) || endpoint.Equals(Bound));

    /// <summary>Whether it is the one for an address.</summary>
    public bool IsFor(IPEndPoint endpoint) => endpoint.Equals(_wanted) || endpoint.Equals(Bound);

    /// <summary>Begins to accept. <paramref name="take"/> gets each connection's socket.</summary>
    public void Start(Action<Socket> take)
    {
        Announce();
        Accepting = AcceptLoop.RunAsync(_socket, take, _logger, _stopped);
    }

    /// <summary>Says where it listens.</summary>
    public void Announce() => _logger.LogInformation("Server listening on {Address} port {Port}.", Bound.Address, Bound.Port);

    /// <summary>Asks the loop to end, and frees the port.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        _stop.Cancel();
        _socket.Dispose();
        _stop.Dispose();
    }
}
