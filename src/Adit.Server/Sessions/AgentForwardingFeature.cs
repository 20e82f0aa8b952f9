using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Adit.Server.Authentication;
using Adit.Server.Users;
using Adit.Ssh;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Sessions;

/// <summary>The forwarded agent of one connection: a socket that the account alone can use, whose connections go to the client. Sessions that asked for it find its path in
/// SSH_AUTH_SOCK. What is allowed is asked when a session asks, and again at each connection, of the grant of then: AllowAgentForwarding, DisableForwarding, the options of
/// the key and the certificate (INVARIANTS 23, 24).</summary>
internal sealed class AgentForwardingFeature : ISessionFeature, IReviewed
{
    private const int SocketLevel = 1, PeerCredentials = 17;

    private readonly SessionScope _scope;
    private readonly IUserDatabase _users;
    private readonly UserUnixSockets _sockets;
    private readonly TimeProvider _clock;
    private readonly ReviewedChannels _channels;
    private readonly HashSet<object> _asked = new(ReferenceEqualityComparer.Instance);
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly TaskTracker _connections = new();
    private readonly Lock _lock = new();
    private AgentForwardingFolder? _folder;
    private ForwardListener? _listener;
    private string _channelType = AgentForwards.Channel;
    private CancellationTokenRegistration _atEnd;
    private Task? _closed;

    /// <param name="scope">The connection.</param>
    /// <param name="users">Which user this process is.</param>
    /// <param name="sockets">Binds the socket with the account's identity.</param>
    /// <param name="clock">For rights that end.</param>
    public AgentForwardingFeature(SessionScope scope, IUserDatabase users, UserUnixSockets sockets, TimeProvider clock)
    {
        (_scope, _users, _sockets, _clock) = (scope, users, sockets, clock);
        _channels = new ReviewedChannels(scope.Service.Connection, channel => channel.Type is AgentForwards.Channel or AgentForwards.StandardChannel, RuleAgainstAsync);
    }

    /// <summary>Where the socket's folder is made.</summary>
    internal string Parent { get; init; } = "/tmp";

    /// <summary>The socket's path; null where there is none.</summary>
    internal string? SocketPath => Volatile.Read(ref _folder)?.SocketPath;

    private ILogger Logger => _scope.Service.Logger;

    private SshConnection Connection => _scope.Service.Connection;

    public async ValueTask<bool?> HandleRequestAsync(object session, string type, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        if (type is not (AgentForwards.Request or AgentForwards.StandardRequest))
        {
            return null;
        }

        if (!data.IsEmpty)
        {
            return false;
        }

        if (await RuleAgainstAsync(cancellationToken).ConfigureAwait(false) is { } rule)
        {
            Logger.LogDebug("agent forwarding refused: {Rule}", rule);
            Tell($"Agent forwarding refused: {rule}");
            return false;
        }

        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            // What asks by a name takes channels of the name of the same age. A client that asks by both knows both.
            _channelType = type == AgentForwards.StandardRequest ? AgentForwards.StandardChannel : AgentForwards.Channel;
            if (_listener is null)
            {
                await ListenAsync(cancellationToken).ConfigureAwait(false);
            }

            lock (_asked)
            {
                _asked.Add(session);
            }

            return true;
        }
        catch (ObjectDisposedException)
        {
            return false; // the connection ended
        }
        catch (SshException e)
        {
            Logger.LogError("agent forwarding: {Reason}", PeerText.Escape(e.Message));
            Tell($"Agent forwarding failed: {e.Message}");
            return false;
        }
        finally
        {
            _turn.Release();
        }
    }

    public ValueTask PrepareAsync(object session, IDictionary<string, string> environment, CancellationToken cancellationToken)
    {
        lock (_asked)
        {
            if (_asked.Contains(session) && SocketPath is { } path)
            {
                environment["SSH_AUTH_SOCK"] = path;
            }
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>The socket stays for the connection: a program that was left running may go on using it, as with OpenSSH's server.</summary>
    public ValueTask EndAsync(object session)
    {
        lock (_asked)
        {
            _asked.Remove(session);
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Ends connections to an agent that may not be forwarded any more. The socket stays: each connection to it is a question of its own.</summary>
    public async ValueTask<int> ReviewAsync(Action<string> report, CancellationToken cancellationToken)
    {
        var (closed, rule) = await _channels.ReviewAsync(cancellationToken).ConfigureAwait(false);
        if (closed > 0)
        {
            report($"forwarded agent: {closed} connection(s) closed, it is not allowed any more: {rule}");
        }

        return closed;
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync().ConfigureAwait(false);
        await _atEnd.DisposeAsync().ConfigureAwait(false);
        await _connections.WhenIdleAsync().ConfigureAwait(false);
    }

    /// <summary>Listens no more and removes the socket and its folder, once and for good.</summary>
    private Task CloseAsync()
    {
        lock (_lock)
        {
            return _closed ??= CloseAsync(_listener, _folder);
        }
    }

    private static async Task CloseAsync(ForwardListener? listener, AgentForwardingFolder? folder)
    {
        if (listener is not null)
        {
            await listener.DisposeAsync().ConfigureAwait(false);
        }

        folder?.Dispose();
    }

    private async ValueTask ListenAsync(CancellationToken cancellationToken)
    {
        var file = string.Create(CultureInfo.InvariantCulture, $"agent.{Environment.ProcessId}");
        var folder = AgentForwardingFolder.Create(Parent, file, _scope.Login.Account, _users.ProcessUid);
        ForwardListener? listener = null;
        try
        {
            var socket = await _sockets.ListenPrivatelyAsync(_scope.Service.Principal, folder.SocketPath, cancellationToken).ConfigureAwait(false);
            listener = ForwardListener.Of(socket, ForwardAddress.Unix(folder.SocketPath), Logger);
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_closed is not null, this);
                (_listener, _folder) = (listener, folder);
            }
        }
        catch
        {
            await CloseAsync(listener, folder).ConfigureAwait(false);
            throw;
        }

        // At once when the connection ends: programs of its sessions may go on for long.
        _atEnd = Connection.Transport.Ended.UnsafeRegister(static self => _ = ((AgentForwardingFeature)self!).CloseAsync(), this);
        listener.Start(socket => _connections.Add(CarryAsync(socket)));
        Logger.LogDebug("agent forwarding: listening on {Path}", folder.SocketPath);
    }

    /// <summary>One program's connection to the agent. Ends with the socket closed, whatever happens.</summary>
    private async Task CarryAsync(Socket socket)
    {
        try
        {
            var reviews = _channels.Reviews;
            if (await RefusalAsync(socket).ConfigureAwait(false) is { } refusal)
            {
                Logger.LogInformation("refused connection to the forwarded agent of {User}: {Rule}", PeerText.Escape(_scope.Login.Account.Name, 256), refusal);
            }
            else if (await AcceptedSocket.CarryAsync(Connection, socket, _ => (_channelType, []), opened: channel => LookAgainAsync(channel, reviews)).ConfigureAwait(false) is SshException { Error: SshError.ChannelOpenFailed } failure)
            {
                Logger.LogDebug("agent forwarding: {Refusal}", failure.Message);
            }
        }
        catch (OperationCanceledException)
        {
            // the connection ended
        }
        catch (Exception e)
        {
            Logger.LogError(e, "carrying a connection to the forwarded agent failed");
        }
        finally
        {
            socket.Dispose();
        }
    }

    private ValueTask LookAgainAsync(SshChannel channel, int reviews) => _channels.LookAgainAsync(channel, reviews, rule =>
        Logger.LogInformation("forwarded agent of {User}: a connection closed, it is not allowed any more: {Rule}", PeerText.Escape(_scope.Login.Account.Name, 256), rule));

    private async ValueTask<string?> RefusalAsync(Socket socket)
    {
        // The folder's mode keeps others out already.
        if (OperatingSystem.IsLinux() && PeerUid(socket) is var uid && uid != _scope.Login.Account.Uid && uid != 0)
        {
            return uid is null ? "it is not known who connects" : $"uid {uid} is somebody else";
        }

        return await RuleAgainstAsync(Connection.Transport.Ended).ConfigureAwait(false);
    }

    /// <summary>SO_PEERCRED: who connected. Null where it cannot be known.</summary>
    private static uint? PeerUid(Socket socket)
    {
        Span<byte> credentials = stackalloc byte[12]; // pid, uid, gid
        try
        {
            return socket.GetRawSocketOption(SocketLevel, PeerCredentials, credentials) == credentials.Length ? MemoryMarshal.Cast<byte, uint>(credentials)[1] : null;
        }
        catch (SocketException)
        {
            return null;
        }
    }

    /// <summary>The rule of now against forwarding; null where there is none.</summary>
    private async ValueTask<string?> RuleAgainstAsync(CancellationToken cancellationToken)
    {
        var grant = await _scope.Login.NowAsync(cancellationToken).ConfigureAwait(false);
        return grant.RuleAgainst(LoginRight.AgentForwarding, _clock.GetUtcNow())
            ?? (grant.Config.Get(K.AllowAgentForwarding) ? null : "AllowAgentForwarding no");
    }

    /// <summary>Clients show it from -v on: a client that asks for its agent everywhere expects a no here and there.</summary>
    private void Tell(string text) => Connection.Transport.Send(new DebugMessage(AlwaysDisplay: false, text));
}
