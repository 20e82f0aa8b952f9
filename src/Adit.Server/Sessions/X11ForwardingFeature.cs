using System.Net;
using System.Net.Sockets;
using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Server.Service;
using Adit.Ssh;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;
using K = Adit.Server.Configuration.X11Keywords;

namespace Adit.Server.Sessions;

/// <summary>X11 forwarding of one connection (RFC 4254, section 6.3): each session that asks gets a display, a port whose connections go to the client. What is allowed is
/// asked when a session asks, and again at each connection, of the grant of then: X11Forwarding, DisableForwarding, the options of the key and the certificate
/// (INVARIANTS 23, 24). A display is there for as long as its session; connections to it go on until they end by themselves, or the SSH connection does.</summary>
internal sealed class X11ForwardingFeature : ISessionFeature, IReviewed
{
    private const string ChannelType = "x11";

    /// <summary>As OpenSSH's server: what a display answers is little.</summary>
    private static readonly ChannelSize Size = new(Window: 64 * 1024, MaximumPacket: 16 * 1024);

    private readonly SessionScope _scope;
    private readonly TimeProvider _clock;
    private readonly ReviewedChannels _channels;
    private readonly Dictionary<object, X11Display> _displays = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<object> _withoutDisplay = new(ReferenceEqualityComparer.Instance);
    private readonly TaskTracker _tasks = new();
    private readonly Lock _lock = new();
    private CancellationTokenRegistration _atEnd;
    private bool _isWatching, _isOver;

    /// <param name="scope">The connection.</param>
    /// <param name="clock">For rights that end.</param>
    public X11ForwardingFeature(SessionScope scope, TimeProvider clock)
    {
        (_scope, _clock) = (scope, clock);
        _channels = new ReviewedChannels(scope.Service.Connection, channel => channel.Type == ChannelType, RuleAgainstAsync);
    }

    private ILogger Logger => _scope.Service.Logger;

    private SshConnection Connection => _scope.Service.Connection;

    /// <summary>A session's display; null where it has none.</summary>
    internal X11Display? DisplayOf(object session)
    {
        lock (_lock)
        {
            return _displays.GetValueOrDefault(session);
        }
    }

    public async ValueTask<bool?> HandleRequestAsync(object session, string type, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        if (type != X11Request.Name)
        {
            return null;
        }

        if (DisplayOf(session) is not null)
        {
            Logger.LogError("session_x11_req: x11 forwarding already active");
            return false;
        }

        if (IsWithoutDisplay(session))
        {
            return false; // looking for a display costs a thousand attempts; a session that asks again gets the answer it has
        }

        if (X11Request.Read(data.Span) is not { } request)
        {
            Logger.LogError("Invalid X11 forwarding data");
            return false;
        }

        var grant = await _scope.Login.NowAsync(cancellationToken).ConfigureAwait(false);
        if ((RuleAgainst(grant) ?? Obstacle(grant.Config)) is { } refusal)
        {
            Logger.LogDebug("{Refusal}", refusal);
            Tell(refusal);
            return false;
        }

        if (await X11Display.ListenAsync(grant.Config, request, Logger, cancellationToken).ConfigureAwait(false) is not { } display)
        {
            lock (_lock)
            {
                _withoutDisplay.Add(session);
            }

            Tell("Failed to allocate internet-domain X11 display socket.");
            return false;
        }

        if (!TryAdd(session, display))
        {
            await display.DisposeAsync().ConfigureAwait(false);
            return false; // the connection ended
        }

        _scope.X11.Set(session, display.Authority);
        display.Start(socket => _tasks.Add(CarryAsync(display, socket)));
        Logger.LogDebug("X11 forwarding: display {Display}", display.Name);
        return true;
    }

    public ValueTask PrepareAsync(object session, IDictionary<string, string> environment, CancellationToken cancellationToken)
    {
        if (DisplayOf(session) is { } display)
        {
            environment["DISPLAY"] = display.Name;
        }

        return ValueTask.CompletedTask;
    }

    public string? RcInput(object session) => _scope.X11.Of(session) is { } authority ? $"{authority.Protocol} {authority.Cookie}\n" : null;

    public async ValueTask EndAsync(object session)
    {
        _scope.X11.Remove(session);
        X11Display? display;
        lock (_lock)
        {
            _displays.Remove(session, out display);
            _withoutDisplay.Remove(session);
        }

        if (display is not null)
        {
            await display.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Ends connections that may not be forwarded any more. The displays stay: each connection to one is a question of its own.</summary>
    public async ValueTask<int> ReviewAsync(Action<string> report, CancellationToken cancellationToken)
    {
        var (closed, rule) = await _channels.ReviewAsync(cancellationToken).ConfigureAwait(false);
        if (closed > 0)
        {
            report($"X11: {closed} connection(s) closed: {rule}");
        }

        return closed;
    }

    public async ValueTask DisposeAsync()
    {
        Close();
        await _atEnd.DisposeAsync().ConfigureAwait(false);
        await _tasks.WhenIdleAsync().ConfigureAwait(false);
    }

    private bool TryAdd(object session, X11Display display)
    {
        bool isFirst;
        lock (_lock)
        {
            if (_isOver)
            {
                return false;
            }

            _displays.Add(session, display);
            (isFirst, _isWatching) = (!_isWatching, true);
        }

        if (isFirst)
        {
            // At once when the connection ends: programs of its sessions may go on for long.
            _atEnd = Connection.Transport.Ended.UnsafeRegister(static self => ((X11ForwardingFeature)self!).Close(), this);
        }

        return true;
    }

    /// <summary>Listens no more, for good.</summary>
    private void Close()
    {
        lock (_lock)
        {
            _isOver = true;
            foreach (var display in _displays.Values)
            {
                _tasks.Add(display.DisposeAsync().AsTask());
            }
        }
    }

    private bool IsWithoutDisplay(object session)
    {
        lock (_lock)
        {
            return _withoutDisplay.Contains(session);
        }
    }

    /// <summary>One program's connection to a display. Ends with the socket closed, whatever happens.</summary>
    private async Task CarryAsync(X11Display display, Socket socket)
    {
        var entry = display.Enter(out var isLast);
        try
        {
            if (entry != DisplayEntry.Taken)
            {
                if (entry == DisplayEntry.FirstTooMany)
                {
                    Logger.LogDebug("X11 forwarding: display {Display} has {Count} connections: no more are taken", display.Name, X11Display.MostConnections);
                }

                return;
            }

            if (isLast)
            {
                Logger.LogDebug("single_connection: closing X11 listener.");
                _tasks.Add(display.DisposeAsync().AsTask());
            }

            var reviews = _channels.Reviews;
            if (await RuleAgainstAsync(Connection.Transport.Ended).ConfigureAwait(false) is { } rule)
            {
                Logger.LogInformation("refused connection to display {Display} of {User}: {Rule}", display.Name, PeerText.Escape(_scope.Login.Account.Name, 256), rule);
            }
            else if (await AcceptedSocket.CarryAsync(Connection, socket, Open, size: Size, opened: channel => LookAgainAsync(display, channel, reviews)).ConfigureAwait(false)
                is SshException { Error: SshError.ChannelOpenFailed } failure)
            {
                Logger.LogDebug("X11 forwarding: {Refusal}", failure.Message);
            }
        }
        catch (OperationCanceledException)
        {
            // the connection ended
        }
        catch (Exception e)
        {
            Logger.LogError(e, "carrying a connection to an X11 display failed");
        }
        finally
        {
            socket.Dispose();
            if (entry == DisplayEntry.Taken)
            {
                display.Leave();
            }
        }
    }

    private ValueTask LookAgainAsync(X11Display display, SshChannel channel, int reviews) => _channels.LookAgainAsync(channel, reviews, rule =>
        Logger.LogInformation("closed connection to display {Display} of {User}: {Rule}", display.Name, PeerText.Escape(_scope.Login.Account.Name, 256), rule));

    /// <summary><code>string originator address | uint32 originator port</code></summary>
    private (string Type, byte[] Data) Open(IPEndPoint? originator)
    {
        Logger.LogDebug("X11 connection requested from {Address} port {Port}.", originator!.Address, originator.Port);
        var writer = new SshWriter(64);
        writer.WriteString(originator.Address.ToString());
        writer.WriteUInt32((uint)originator.Port);
        return (ChannelType, writer.ToArray());
    }

    private async ValueTask<string?> RuleAgainstAsync(CancellationToken cancellationToken) => RuleAgainst(await _scope.Login.NowAsync(cancellationToken).ConfigureAwait(false));

    /// <summary>The rule of now against forwarding, after OpenSSH's words for it; null where there is none.</summary>
    private string? RuleAgainst(LoginGrant grant)
    {
        const string byServer = "X11 forwarding disabled in server configuration file.";
        return grant.Config.Get(SshdKeywords.DisableForwarding) ? $"{byServer} (DisableForwarding yes)"
            : grant.RuleAgainst(LoginRight.X11Forwarding, _clock.GetUtcNow()) is { } rule ? $"X11 forwarding disabled by key options. ({rule})"
            : grant.Config.Get(K.X11Forwarding) ? null
            : $"{byServer} (X11Forwarding no)";
    }

    /// <summary>Why programs could not come to know their cookie; null where they can.</summary>
    private static string? Obstacle(SshdConfig config) =>
        SshdOptions.NoneIsNull(config.Get(K.XAuthLocation)) is not { } program || !File.Exists(program) ? "No xauth program; cannot forward X11."
        : SshdOptions.NoneIsNull(config.Get(SessionKeywords.ChrootDirectory)) is not null ? "X11 forwarding is not possible with ChrootDirectory: xauth is not run there."
        : null;

    /// <summary>Clients show it from -v on.</summary>
    private void Tell(string text) => Connection.Transport.Send(new DebugMessage(AlwaysDisplay: false, text));
}
