using System.Net.Sockets;
using Adit.Cli.Background;
using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Multiplexing;

/// <summary>The way through a jump host whose connection another process holds: as "ssh -W" through its master goes, each time by a connection to the master's socket.</summary>
internal sealed class MasterRoute
{
    private const string Function = "mux_client_request_stdio_fwd";

    private readonly string _path;
    private readonly LogOutput _log;

    private MasterRoute(string path, LogOutput log) => (_path, _log) = (path, log);

    /// <summary>Where nobody listens a master will: what one before has left there is removed.</summary>
    private bool IsToBeMaster { get; init; }

    /// <summary>Null where a jump host's configuration names no ControlPath, wants to be a master itself, or nobody answers there.</summary>
    public static async Task<MasterRoute?> FindAsync(SshConfigValues hop, LogOutput log, CancellationToken cancellationToken)
    {
        if (hop.ControlPath is not { } path || !DescriptorPassing.IsSupported || hop.Get(Keywords.ControlMaster) is ControlMasterMode.Yes or ControlMasterMode.Ask)
        {
            return null;
        }

        var route = new MasterRoute(path, log) { IsToBeMaster = hop.Get(Keywords.ControlMaster) != ControlMasterMode.No };
        using var client = await route.ConnectAsync(cancellationToken).ConfigureAwait(false);
        return client is null ? null : route;
    }

    /// <summary>ControlPersist of a jump host: another process connects to it, stays in the background as its master, and is the way. Null where the configuration wants none.</summary>
    /// <param name="hop">The jump host's configuration.</param>
    /// <param name="words">The command line that connects to it.</param>
    /// <param name="log">Where lines go.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="SshException">It could not connect, and has said why.</exception>
    public static async Task<MasterRoute?> PersistAsync(SshConfigValues hop, IReadOnlyList<string> words, LogOutput log, CancellationToken cancellationToken)
    {
        if (MasterSettings.Of(hop) is not { Persist.Enabled: true } master || !DescriptorPassing.IsSupported)
        {
            return null;
        }

        if (await BackgroundLauncher.RunAsync(BackgroundPurpose.Master, words).ConfigureAwait(false) is not null)
        {
            throw new SshException(SshError.ConnectionLost, "Connection closed by UNKNOWN port 65535");
        }

        var route = new MasterRoute(master.Path, log);
        using var client = await route.ConnectAsync(cancellationToken).ConfigureAwait(false);
        return client is null ? throw Failed("Failed to connect to new control master") : route;
    }

    /// <summary>A connection from the jump host to where <paramref name="options"/> want to go.</summary>
    /// <exception cref="SshException">The master is gone, or would not.</exception>
    public async ValueTask<Stream> OpenAsync(SshClientOptions options, CancellationToken cancellationToken)
    {
        var client = await ConnectAsync(cancellationToken).ConfigureAwait(false) ?? throw Failed($"the master at {_path} is gone");
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException();
        }

        var (here, there) = PosixProcess.SocketPair();
        var near = new Socket(new SafeSocketHandle(here, ownsHandle: true));
        try
        {
            using var far = new SafeSocketHandle(there, ownsHandle: true);
            if (await client.OpenAsync(request => MuxPassage.Packet(request, ForwardAddress.Tcp(options.Host, options.Port)), [there, there], Function, "stdio forwarding", "Stdio forwarding", cancellationToken)
                .ConfigureAwait(false) is null)
            {
                throw Failed($"the master at {_path} would not connect to {PeerText.Escape(options.Host, 256)} port {options.Port}");
            }

            return new Passage(near, client);
        }
        catch
        {
            near.Dispose();
            client.Dispose();
            throw;
        }
    }

    /// <summary>Null where there is no master, or it answers nonsense: then the jump host is connected to as if there were none.</summary>
    private async Task<MuxClient?> ConnectAsync(CancellationToken cancellationToken)
    {
        if (ControlSocket.Connect(_path, out var error) is not { } socket)
        {
            if (IsToBeMaster && error == ControlSocket.Refused)
            {
                ControlSocket.RemoveStale(_path, _log);
            }

            return null;
        }

        // What listens there sees where this goes.
        if (DescriptorPassing.PeerUserId(socket) is var owner && owner != 0 && owner != DescriptorPassing.UserId())
        {
            socket.Dispose();
            throw new SshException(SshError.Configuration, $"Control socket \"{_path}\" belongs to another user (uid {owner})") { Hint = "ControlPath should be in a folder that only you can write to." };
        }

        var client = new MuxClient(new MuxConnection(socket), _log);
        try
        {
            if (await client.Connection.GreetAsync(cancellationToken).ConfigureAwait(false) && await client.AliveAsync(cancellationToken).ConfigureAwait(false) is not null)
            {
                return client;
            }
        }
        catch (SshException e)
        {
            _log.Write(OpenSshLogLevel.Error, e.Message);
        }

        client.Dispose();
        return null;
    }

    private static SshException Failed(string why) => new(SshError.ChannelOpenFailed, "stdio forwarding failed") { Hint = why };

    /// <summary>The master forgets the connection when the socket to it closes.</summary>
    private sealed class Passage(Socket near, MuxClient client) : NetworkStream(near, ownsSocket: true)
    {
        protected override void Dispose(bool disposing)
        {
            base.Dispose(disposing);
            if (disposing)
            {
                client.Dispose();
            }
        }
    }
}
