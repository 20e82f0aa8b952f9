using Adit.Cli.Client;
using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Multiplexing;

/// <summary>What came of asking for a forward.</summary>
/// <param name="Failure">Why it is not there; null when it is.</param>
/// <param name="AllocatedPort">The port that the server chose; 0 where it had no choice.</param>
internal readonly record struct ForwardAnswer(string? Failure, int AllocatedPort = 0);

/// <summary>A connection's forwards as a master's clients know them: by all that was asked for.</summary>
internal sealed class ForwardBook(SshClient client, ForwardTable table, ClientSettings settings, LogOutput log) : IDisposable
{
    /// <summary>One change at a time.</summary>
    private readonly SemaphoreSlim _turn = new(1, 1);

    /// <summary>Connections through all of them so far: tells whether anything happened between two looks.</summary>
    public long Connections => table.Entries.Sum(entry => entry.Forward switch
    {
        Forward local => local.Connections,
        RemoteForward remote => remote.Connections,
        _ => 0,
    });

    /// <summary>Those that are up.</summary>
    public IReadOnlyList<ForwardSpecification> Specifications => table.Specifications;

    /// <summary>The answer for a forward that is there already; null where none is.</summary>
    public ForwardAnswer? Find(MuxForward forward) => Lookup(forward) is { } entry ? new ForwardAnswer(null, AllocatedPort(entry.Forward)) : null;

    /// <summary>Sets one up, unless it is there already. What goes wrong is logged as ssh logs it.</summary>
    public async Task<ForwardAnswer> OpenAsync(MuxForward forward, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (Find(forward) is { } known)
            {
                return known;
            }

            var specification = forward.ToSpecification();
            if (forward.Kind != MuxForwardKind.Remote)
            {
                await table.AddAsync(specification, cancellationToken).ConfigureAwait(false);
                return new ForwardAnswer(null);
            }

            var remote = await RemoteRequests.AskAsync(client, specification, settings, cancellationToken).ConfigureAwait(false);
            table.Add(specification, remote);
            return new ForwardAnswer(null, AllocatedPort(remote));
        }
        catch (SshException e) when (e.Error == SshError.ForwardFailed && forward.Kind == MuxForwardKind.Remote)
        {
            log.Write(OpenSshLogLevel.Error, $"mux_confirm_remote_forward: {e.Message}");
            return new ForwardAnswer(e.Message);
        }
        catch (SshException e) when (e.Error is SshError.ForwardFailed or SshError.PolicyDenied)
        {
            table.ReportBind(forward.Listen, e);
            log.Write(OpenSshLogLevel.Info, $"mux_master_process_open_fwd: requested {forward.Describe(settings.Listen.GatewayPorts)} failed");
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
            return Lookup(forward) is { } entry && await table.RemoveAsync(entry.Forward).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();

    private static int AllocatedPort(IAsyncDisposable forward) => forward is RemoteForward { Listen: { IsUnix: false, Port: 0 } } remote ? remote.Port : 0;

    /// <summary>A remote one on a port of the server's choice also goes by that port.</summary>
    private (ForwardSpecification Specification, IAsyncDisposable Forward)? Lookup(MuxForward forward)
    {
        foreach (var entry in table.Entries)
        {
            var known = MuxForward.Of(entry.Specification);
            if (known == forward || (AllocatedPort(entry.Forward) is > 0 and var port && known with { Listen = ForwardAddress.Tcp(known.Listen.Host, port) } == forward))
            {
                return entry;
            }
        }

        return null;
    }
}
