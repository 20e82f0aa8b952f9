using System.Net.Sockets;
using Adit.Ssh.Connection;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>A forward that is up. Disposing it frees its port at once; connections through it live on.</summary>
public sealed class Forward : IAsyncDisposable
{
    private readonly SshConnection _connection;
    private readonly ForwardListener _listener;
    private readonly ForwardAddress? _destination;
    private readonly TimeProvider _time;
    private readonly TaskTracker _connections;
    private readonly ForwardFailures _failures;
    private readonly ILogger _logger;
    private long _opened;

    private Forward(SshConnection connection, ForwardListener listener, ForwardAddress? destination, TaskTracker connections, ForwardFailures failures, ILogger logger, TimeProvider time)
    {
        _connection = connection;
        _listener = listener;
        _destination = destination;
        _connections = connections;
        _failures = failures;
        _logger = logger;
        _time = time;
    }

    /// <summary>What is really listened on: one entry per socket.</summary>
    public IReadOnlyList<ForwardAddress> Bound => _listener.Bound;

    /// <summary>Where its connections go; null where each says so itself, by SOCKS.</summary>
    public ForwardAddress? Destination => _destination;

    /// <summary>Connections accepted so far.</summary>
    public long Connections => Interlocked.Read(ref _opened);

    internal static async Task<Forward> ListenAsync(SshConnection connection, ForwardAddress listen, ForwardAddress? destination, ListenOptions options,
        TaskTracker connections, ForwardFailures failures, ILogger logger, TimeProvider time, CancellationToken cancellationToken)
    {
        var listener = await ForwardListener.BindAsync(listen, options, logger, cancellationToken).ConfigureAwait(false);
        var forward = new Forward(connection, listener, destination, connections, failures, logger, time);
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
        SocksRequest? request = null;
        ReadOnlyMemory<byte> early = default;
        if (_destination is null)
        {
            if (await SocksHandshake.ReadAsync(socket, _time, _logger, _connection.Transport.Ended).ConfigureAwait(false) is not { } asked)
                return;
            (request, early) = asked;
        }
        var destination = _destination ?? request!.Destination;
        var failure = await AcceptedSocket.CarryAsync(
            _connection, socket, originator => DirectChannel.To(destination, originator), request?.Answer(SocksReply.Succeeded) ?? default, early).ConfigureAwait(false);
        if (failure is null)
            return;
        var refused = failure as SshException;
        if (refused?.Error == SshError.ChannelOpenFailed)
            _failures.TellRefusedOpen(destination, refused);
        if (request is null)
            socket.Dispose();
        else
            await SocksHandshake.RefuseAsync(socket, request.Answer(refused is null ? SocksReply.GeneralFailure : SocksRequest.Explain(refused)), _time, _connection.Transport.Ended).ConfigureAwait(false);
    }
}
