using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Adit.Server.Configuration;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Sessions;

/// <summary>The display that one session's programs find: it listens, and whoever forwards takes what it accepts.</summary>
internal sealed class X11Display : IAsyncDisposable
{
    private const int FirstPort = 6000;
    private const int MostTries = 1000;

    /// <summary>Connections at a time, those included that the client has not taken yet: as many as an X server takes unless it is told otherwise.</summary>
    public const int MostConnections = 256;

    private readonly ForwardListener _listener;
    private readonly bool _isSingle;
    private int _taken, _connections, _hasRefused;

    private X11Display(ForwardListener listener, X11Request request, string host, int number)
    {
        (_listener, _isSingle, Number) = (listener, request.SingleConnection, number);
        var rest = string.Create(CultureInfo.InvariantCulture, $":{number}.{request.Screen}");
        Name = (host.Length == 0 ? "localhost" : host) + rest;
        Authority = new X11Authority((host.Length == 0 ? "unix" : host) + rest, request.Protocol, request.Cookie);
    }

    /// <summary>N of "localhost:N.0".</summary>
    public int Number { get; }

    /// <summary>What DISPLAY is.</summary>
    public string Name { get; }

    public X11Authority Authority { get; }

    /// <summary>Where it listens.</summary>
    public IReadOnlyList<ForwardAddress> Bound => _listener.Bound;

    /// <summary>Listens on the first port from X11DisplayOffset on that is free at all its addresses: with one of them somebody else's, programs would speak to that one.
    /// Null when there is none.</summary>
    public static async Task<X11Display?> ListenAsync(SshdConfig config, X11Request request, ILogger logger, CancellationToken cancellationToken)
    {
        var isLocal = config.Get(X11Keywords.X11UseLocalhost);
        var host = isLocal ? "" : Dns.GetHostName();
        if (!X11Request.IsWord(Encoding.UTF8.GetBytes(host)))
        {
            logger.LogError("this machine's name cannot be a display's: {Name}", Adit.Ssh.Wire.PeerText.Escape(host));
            return null;
        }

        var options = new ListenOptions { AddressFamily = config.Get(SshdKeywords.AddressFamily), AllOrNone = true };
        var first = config.Get(X11Keywords.X11DisplayOffset);
        var last = Math.Min((long)first + MostTries, IPEndPoint.MaxPort - FirstPort + 1);
        for (var number = first; number < last; number++)
        {
            var address = ForwardAddress.Tcp(isLocal ? "localhost" : "*", FirstPort + number);
            try
            {
                return new X11Display(await ForwardListener.BindAsync(address, options, logger, cancellationToken).ConfigureAwait(false), request, host, number);
            }
            catch (SshException e) when (e.InnerException is SocketException)
            {
                logger.LogTrace("display {Number}: {Reason}", number, e.Message);
            }
        }

        logger.LogError("Failed to allocate internet-domain X11 display socket.");
        return null;
    }

    /// <summary>Begins to accept.</summary>
    public void Start(Action<Socket> accepted) => _listener.Start(accepted);

    /// <summary>Whether a connection may be forwarded: then <see cref="Leave"/> is for its end. Of a display for one the first may, and no other ever.</summary>
    /// <param name="isLast">No other comes after it: there is no need to listen any more.</param>
    public DisplayEntry Enter(out bool isLast)
    {
        isLast = _isSingle;
        if (Interlocked.Exchange(ref _taken, 1) != 0 && _isSingle)
        {
            return DisplayEntry.Refused;
        }

        if (Interlocked.Increment(ref _connections) <= MostConnections)
        {
            return DisplayEntry.Taken;
        }

        Leave();
        return Interlocked.Exchange(ref _hasRefused, 1) == 0 ? DisplayEntry.FirstTooMany : DisplayEntry.Refused;
    }

    /// <summary>A connection that was taken has ended.</summary>
    public void Leave() => Interlocked.Decrement(ref _connections);

    public ValueTask DisposeAsync() => _listener.DisposeAsync();
}

/// <summary>What becomes of a connection to a display.</summary>
internal enum DisplayEntry
{
    Taken,
    Refused,

    /// <summary>Refused, as the first of those that are too many: worth a line.</summary>
    FirstTooMany,
}
