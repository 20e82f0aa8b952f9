using Adit.Cli.Client;
using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.Forwarding;

namespace Adit.Cli.Multiplexing;

/// <summary>What came of asking for a forward.</summary>
/// <param name="Failure">Why it is not there; null when it is.</param>
/// <param name="AllocatedPort">The port that the server chose; 0 where it had no choice.</param>
internal readonly record struct ForwardAnswer(string? Failure, int AllocatedPort = 0);

/// <summary>The forwards of a connection, those it began with and those that were added; by what was asked for, each can be taken away again.</summary>
internal sealed class ForwardBook(ClientSettings settings, LogOutput log) : IAsyncDisposable
{
    private readonly List<Entry> _entries = [];

    /// <summary>One change at a time.</summary>
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Lock _lock = new();

    private sealed record Entry(MuxForward Forward, IAsyncDisposable Handle)
    {
        public int AllocatedPort => Handle is RemoteForward { Listen: { IsUnix: false, Port: 0 } } remote ? remote.Port : 0;
    }

    /// <summary>Connections through all of them so far: tells whether anything happened between two looks.</summary>
    public long Connections
    {
        get
        {
            lock (_lock)
            {
                return _entries.Sum(entry => entry.Handle switch
                {
                    Forward local => local.Connections,
                    RemoteForward remote => remote.Connections,
                    _ => 0,
                });
            }
        }
    }

    public void Add(MuxForward forward, IAsyncDisposable handle)
    {
        lock (_lock)
        {
            _entries.Add(new Entry(forward, handle));
        }
    }

    /// <summary>The answer for a forward that is there already; null where none is.</summary>
    public ForwardAnswer? Find(MuxForward forward) => Lookup(forward) is { } entry ? new ForwardAnswer(null, entry.AllocatedPort) : null;

    /// <summary>Sets one up, unless it is there already. What goes wrong is logged as ssh logs it.</summary>
    public async Task<ForwardAnswer> OpenAsync(SshClient client, MuxForward forward, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (Find(forward) is { } known)
            {
                return known;
            }

            var entry = new Entry(forward, forward.Kind == MuxForwardKind.Remote
                ? await RemoteAsync(client, forward, cancellationToken).ConfigureAwait(false)
                : await LocalAsync(client, forward, cancellationToken).ConfigureAwait(false));
            lock (_lock)
            {
                _entries.Add(entry);
            }

            return new ForwardAnswer(null, entry.AllocatedPort);
        }
        catch (SshException e) when (e.Error == SshError.ForwardFailed)
        {
            if (forward.Kind == MuxForwardKind.Remote)
            {
                log.Write(OpenSshLogLevel.Error, $"mux_confirm_remote_forward: {e.Message}");
                return new ForwardAnswer(e.Message);
            }

            BindReport.Write(log, forward.Listen, e);
            log.Write(OpenSshLogLevel.Info, $"mux_master_process_open_fwd: requested {forward.Describe(settings.Listen.GatewayPorts)} failed");
            return new ForwardAnswer("Port forwarding failed");
        }
        catch (SshException e) when (e.Error == SshError.PolicyDenied)
        {
            log.Write(OpenSshLogLevel.Error, e.Message);
            return new ForwardAnswer("Port forwarding failed");
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Takes one away; connections through it live on. False where there is none like it.</summary>
    public async Task<bool> CloseAsync(MuxForward forward, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (Lookup(forward) is not { } entry)
            {
                return false;
            }

            lock (_lock)
            {
                _entries.Remove(entry);
            }

            await entry.Handle.DisposeAsync().ConfigureAwait(false);
            return true;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Frees the local listeners; the server's go with the connection.</summary>
    public async ValueTask DisposeAsync()
    {
        List<Entry> entries;
        lock (_lock)
        {
            entries = [.. _entries];
            _entries.Clear();
        }

        foreach (var entry in entries.Where(entry => entry.Handle is Forward))
        {
            await entry.Handle.DisposeAsync().ConfigureAwait(false);
        }

        _turn.Dispose();
    }

    /// <summary>A remote one on a port of the server's choice also goes by that port.</summary>
    private Entry? Lookup(MuxForward forward)
    {
        lock (_lock)
        {
            return _entries.Find(entry => entry.Forward == forward) ?? _entries.Find(entry => entry.AllocatedPort != 0
                && entry.Forward with { Listen = ForwardAddress.Tcp(entry.Forward.Listen.Host, entry.AllocatedPort) } == forward);
        }
    }

    private async Task<IAsyncDisposable> LocalAsync(SshClient client, MuxForward forward, CancellationToken cancellationToken) => forward.Destination is { } destination
        ? await client.ForwardLocalAsync(forward.Listen, destination, settings.Listen, cancellationToken).ConfigureAwait(false)
        : await client.ForwardDynamicAsync(forward.Listen, settings.Listen, cancellationToken).ConfigureAwait(false);

    private async Task<IAsyncDisposable> RemoteAsync(SshClient client, MuxForward forward, CancellationToken cancellationToken) => forward.Destination is { } destination
        ? await client.ForwardRemoteAsync(forward.Listen, destination, cancellationToken).ConfigureAwait(false)
        : await client.ForwardRemoteDynamicAsync(forward.Listen, RemoteRequests.MayConnect(settings.RemoteOpen), cancellationToken).ConfigureAwait(false);
}
