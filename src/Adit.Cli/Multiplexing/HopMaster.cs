using Adit.Cli.Client;
using Adit.Cli.Diagnostics;
using Adit.Cli.Sessions;
using Adit.Cli.Terminal;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Multiplexing;

/// <summary>Shares a connection to a jump host for as long as the way through it is used, as the "ssh -W" that OpenSSH has for each jump host does. Whoever uses it then loses it
/// with this process; one that is to stay is a process of its own (<see cref="MasterRoute.PersistAsync"/>).</summary>
internal sealed class HopMaster : IAsyncDisposable
{
    private readonly SshClient _client;
    private readonly ForwardTable _forwards;
    private readonly MuxMaster _master;
    private readonly X11ForwardingRequest? _display;
    private readonly Task _watching;

    private HopMaster(SshClient client, ForwardTable forwards, MuxMaster master, X11ForwardingRequest? display)
    {
        (_client, _forwards, _master, _display) = (client, forwards, master, display);
        _watching = WatchAsync();
    }

    /// <summary>One of those that share the connection asked for its end.</summary>
    public bool WasEnded => _master.Terminated.IsCompleted;

    /// <summary>Null where the configuration does not want it, or somebody else listens there.</summary>
    /// <param name="config">The jump host's.</param>
    /// <param name="client">The connection to it.</param>
    /// <param name="settings">The connection's.</param>
    /// <param name="prompter">Asks the person.</param>
    /// <param name="log">Where lines go.</param>
    /// <exception cref="SshException">The socket cannot be made.</exception>
    public static HopMaster? Start(SshConfigValues config, SshClient client, ClientSettings settings, IPrompter prompter, LogOutput log)
    {
        if (MasterSettings.Of(config) is not { } shared)
        {
            return null;
        }

        var forwards = new ForwardTable(client, settings, log);
        var agent = AgentForwardingRequest.Create(config, confirms: false, prompter, new TerminalHold(), log);
        var display = X11ForwardingRequest.Create(config, () => Environment.GetEnvironmentVariable("DISPLAY"), log);
        ISessionRequests[] requests = [.. new ISessionRequests?[] { display, agent }.OfType<ISessionRequests>()];
        MuxMaster? master = null;
        try
        {
            master = MuxMaster.Start(shared, client, forwards, settings, requests, log);
        }
        finally
        {
            if (master is null)
            {
                display?.Dispose();
            }
        }

        return master is null ? null : new HopMaster(client, forwards, master, display);
    }

    /// <summary>Ends the connection, after the socket is gone.</summary>
    public async ValueTask DisposeAsync()
    {
        _master.StopListening();
        await _forwards.DisposeAsync().ConfigureAwait(false);
        await _client.DisposeAsync().ConfigureAwait(false);
        await _watching.ConfigureAwait(false);
        await _master.DisposeAsync().ConfigureAwait(false);
        _display?.Dispose();
    }

    /// <summary>Until the connection is over, or somebody asks for its end ("ssh -O exit"), which ends the way through it too.</summary>
    private async Task WatchAsync()
    {
        await Task.WhenAny(_master.Terminated, _client.Completion).ConfigureAwait(false);
        _master.StopListening();
        await _client.DisposeAsync().ConfigureAwait(false);
    }
}
