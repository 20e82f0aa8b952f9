using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Ssh;
using Adit.Ssh.Authentication;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Users;

/// <summary>Opens Unix sockets with the identity of whoever logged in: user, group and all groups, as the file system sees them and as the other end does (SO_PEERCRED).
/// Root can do that for any account, another user for itself. Listeners follow StreamLocalBindMask and StreamLocalBindUnlink of the login's configuration. Relative paths
/// begin at the root folder, where OpenSSH's server has its working folder.</summary>
/// <param name="config">For principals that another authenticator made.</param>
/// <param name="users">Accounts, and which user this process is.</param>
/// <param name="loggerFactory">For sockets with fewer rights than they should have.</param>
public sealed class UserUnixSockets(SshdConfig config, IUserDatabase users, ILoggerFactory loggerFactory) : IUnixSocketOpener
{
    /// <summary>Sockets being opened at once, by all and by one user: a path may lead through a file system that does not answer.</summary>
    private const int MostAtOnce = 64, MostPerUser = 16;

    /// <summary>How long connect(2) waits for a listener whose queue is full.</summary>
    private const int ConnectSeconds = 10;

    /// <summary>No user's id.</summary>
    private const uint Everybody = uint.MaxValue;

    private const int NoError = 0, AddressInUse = 98;

    private readonly ILogger _logger = loggerFactory.CreateLogger("Adit.Server");
    private readonly ConcurrentDictionary<uint, SemaphoreSlim> _places = new();

    /// <summary>How long anything here may take.</summary>
    internal TimeSpan Limit { get; init; } = TimeSpan.FromSeconds(15);

    public ValueTask<Socket> ConnectAsync(SshPrincipal principal, string path, CancellationToken cancellationToken) => OpenAsync(principal, path, null, cancellationToken);

    public ValueTask<Socket> ListenAsync(SshPrincipal principal, string path, CancellationToken cancellationToken)
    {
        var rules = (principal.State as ServerLogin)?.Grant.Config ?? config;
        var options = new ListenOptions { BindMask = rules.Get(K.StreamLocalBindMask), UnlinkFirst = rules.Get(K.StreamLocalBindUnlink) };
        return OpenAsync(principal, path, options, cancellationToken);
    }

    /// <summary>As <see cref="ListenAsync"/>, for a socket of the server's own making: its owner alone may use it, and nothing is replaced, whatever is configured.</summary>
    internal ValueTask<Socket> ListenPrivatelyAsync(SshPrincipal principal, string path, CancellationToken cancellationToken) =>
        OpenAsync(principal, path, new ListenOptions(), cancellationToken);

    private async ValueTask<Socket> OpenAsync(SshPrincipal principal, string path, ListenOptions? listen, CancellationToken cancellationToken)
    {
        var account = (principal.State as ServerLogin)?.Account;
        if (UserIdentity.Obstacle(users.ProcessUid, account) is { } obstacle)
        {
            throw Failed(path, listen, obstacle);
        }

        path = path.StartsWith('/') ? path : "/" + path;
        if (SystemCalls.OfThisMachine is null)
        {
            return listen is null ? await UnixSocket.ConnectAsync(path, cancellationToken).ConfigureAwait(false) : UnixSocket.Listen(path, listen);
        }

        var own = _places.GetOrAdd(account!.Uid, static _ => new SemaphoreSlim(MostPerUser));
        var all = _places.GetOrAdd(Everybody, static _ => new SemaphoreSlim(MostAtOnce));
        if (!await own.WaitAsync(Limit, cancellationToken).ConfigureAwait(false))
        {
            throw Failed(path, listen, "Resource temporarily unavailable");
        }

        Task<Socket> opening;
        try
        {
            if (!await all.WaitAsync(Limit, cancellationToken).ConfigureAwait(false))
            {
                throw Failed(path, listen, "Resource temporarily unavailable");
            }

            opening = BlockingWork.RunAsync(() => Open(account, path, listen), CancellationToken.None);
        }
        catch
        {
            own.Release();
            throw;
        }

        // The places are taken until the thread has really ended, however long nobody waits for it any more.
        var ended = opening.ContinueWith(
            task =>
            {
                all.Release();
                own.Release();
                return task;
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).Unwrap();
        try
        {
            return await ended.WaitAsync(Limit, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            _ = ended.ContinueWith(static task => task.Result.Dispose(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
            throw e is TimeoutException ? Failed(path, listen, "Connection timed out") : e;
        }
    }

    /// <summary>On a thread that may wait.</summary>
    private unsafe Socket Open(UserAccount account, string path, ListenOptions? listen)
    {
        var identity = UserIdentity.Of(account, users);
        uint[] groups = identity is null ? [] : [.. identity.Groups];
        var groupsTaken = new uint[groups.Length];
        var call = new UnixSocketCall
        {
            IsListener = listen is not null,
            UnlinkFirst = listen is { UnlinkFirst: true },
            Mode = listen is null ? 0 : (uint)UnixSocket.Mode(listen),
            Backlog = UnixSocket.AcceptBacklog,
            ConnectSeconds = ConnectSeconds,
            TakesIdentity = identity is not null,
            Uid = identity?.Uid ?? 0,
            Gid = identity?.Gid ?? 0,
            GroupCount = groups.Length,
        };
        if (!call.TrySetPath(path))
        {
            throw Failed(path, listen, "File name too long");
        }

        fixed (uint* pointer = groups, taken = groupsTaken)
        {
            call.Groups = pointer;
            call.GroupsTaken = taken;
            call.RunAndWait();
        }

        if (call.Step != UnixSocketStep.Done)
        {
            throw Failed(account, path, listen, call);
        }

        if (listen is not null && call.ModeGiven != call.Mode)
        {
            _logger.LogWarning("socket {Path} has mode {Given} and not {Wanted}: this thread may not have a umask of its own (unshare(2) is forbidden here), so the process's counts too",
                PeerText.Escape(path, 256), Octal(call.ModeGiven), Octal(call.Mode));
        }

        return new Socket(new SafeSocketHandle(call.Descriptor, ownsHandle: true));
    }

    private SshException Failed(UserAccount account, string path, ListenOptions? listen, in UnixSocketCall call)
    {
        var reason = call.Error == NoError ? "the kernel did not do as it said" : Marshal.GetPInvokeErrorMessage(call.Error);
        if (call.Step == UnixSocketStep.Identity)
        {
            _logger.LogError("cannot take the identity of {Account}: {Reason}. Nothing is opened for it. The server needs root's CAP_SETUID, CAP_SETGID and CAP_SETPCAP", account, reason);
            return Failed(path, listen, $"the server cannot act as {account.Name}: {reason}");
        }

        return listen is null
            ? Failed(path, null, reason)
            : UnixSocket.CannotBind(path, reason, call.Error == AddressInUse ? call.IsTakenBySocket : null, listen.UnlinkFirst);
    }

    private static SshException Failed(string path, ListenOptions? listen, string reason) =>
        listen is null ? new SshException(SshError.ConnectFailed, reason) : UnixSocket.Unusable(path, reason);

    private static string Octal(uint mode) => "0" + Convert.ToString(mode, 8);
}
