using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Connection;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>A forward that is up. Disposing it frees its port at once; connections through it live on.</summary>
public sealed class Forward : IAsyncDisposable
{
    private const int UnknownPort = 65535;

    private readonly SshConnection _connection;
    private readonly ForwardListener _listener;
    private readonly ForwardAddress _destination;
    private readonly TaskTracker _connections;
    private readonly ILogger _logger;
    private readonly string _serverName;
    private long _opened;

    private Forward(SshConnection connection, ForwardListener listener, ForwardAddress destination, TaskTracker connections, string serverName, ILogger logger)
    {
        _connection = connection;
        _listener = listener;
        _destination = destination;
        _connections = connections;
        _serverName = serverName;
        _logger = logger;
    }

    /// <summary>What is really listened on: one entry per socket.</summary>
    public IReadOnlyList<ForwardAddress> Bound => _listener.Bound;

    /// <summary>Where its connections go.</summary>
    public ForwardAddress Destination => _destination;

    /// <summary>Connections accepted so far.</summary>
    public long Connections => Interlocked.Read(ref _opened);

    internal static async Task<Forward> ListenAsync(SshConnection connection, ForwardAddress listen, ForwardAddress destination, ListenOptions options,
        TaskTracker connections, string serverName, ILogger logger, CancellationToken cancellationToken)
    {
        var listener = await ForwardListener.BindAsync(listen, options, logger, cancellationToken).ConfigureAwait(false);
        var forward = new Forward(connection, listener, destination, connections, serverName, logger);
        listener.Start(forward.OnAccepted);
        return forward;
    }

    public ValueTask DisposeAsync() => _listener.DisposeAsync();

    private void OnAccepted(Socket socket)
    {
        Interlocked.Increment(ref _opened);
        _connections.Add(CarryAsync(socket));
    }

    private async Task CarryAsync(Socket socket)
    {
        ForwardConnection connection;
        (string Host, uint Port) originator;
        try
        {
            connection = new ForwardConnection(socket);
            originator = socket.RemoteEndPoint is IPEndPoint peer ? (peer.Address.ToString(), (uint)peer.Port) : ("127.0.0.1", UnknownPort);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            socket.Dispose(); // its peer is gone already
            return;
        }
        try
        {
            var (type, data) = OpenRequest(originator.Host, originator.Port);
            await _connection.OpenAsync(type, data, connection, _connection.Transport.Ended).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SshException or OperationCanceledException or ObjectDisposedException)
        {
            connection.Abandon();
            if (e is SshException { Error: SshError.ChannelOpenFailed } refused)
                Explain(refused);
            return;
        }
        await connection.RunAsync().ConfigureAwait(false);
    }

    /// <summary>direct-tcpip (RFC 4254, section 7.2), or direct-streamlocal@openssh.com (OpenSSH PROTOCOL, section 2.4):
    /// <code>string socket path | string reserved | uint32 reserved</code></summary>
    private (string Type, byte[] Data) OpenRequest(string originatorHost, uint originatorPort)
    {
        var writer = new SshWriter(96);
        if (_destination.Path is { } path)
        {
            writer.WriteString(path);
            writer.WriteString(originatorHost);
            writer.WriteUInt32(originatorPort);
            return ("direct-streamlocal@openssh.com", writer.ToArray());
        }
        new TcpipChannelData(_destination.Host ?? "", (uint)_destination.Port, originatorHost, originatorPort).Write(ref writer);
        return ("direct-tcpip", writer.ToArray());
    }

    /// <summary>OpenSSH's line for a refused open, then who refused what and what to look at.</summary>
    private void Explain(SshException refused)
    {
        _logger.LogInformation("{Refusal}", refused.Message);
        string hint = refused.OpenFailureReason switch
        {
            OpenFailureReason.AdministrativelyProhibited => "its rules forbid it: AllowTcpForwarding, PermitOpen, or the options of your key there",
            OpenFailureReason.ConnectFailed when refused.Message.EndsWith("Connection refused", StringComparison.Ordinal) =>
                "nothing listens there, seen from that machine: is the service up, and on that address?",
            OpenFailureReason.ConnectFailed when refused.Message.EndsWith("not known", StringComparison.Ordinal) =>
                "that machine does not know the name; names are resolved there, not here",
            OpenFailureReason.ConnectFailed => "the connection was tried from that machine, not from this one",
            OpenFailureReason.ResourceShortage => "it has no room for more connections now",
            _ => "it does not offer this kind of forwarding",
        };
        _logger.LogInformation("  {Server} could not connect to {Destination}: {Hint}", _serverName, _destination, hint);
    }
}
