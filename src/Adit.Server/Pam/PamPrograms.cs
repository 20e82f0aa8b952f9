using Adit.Server.Processes;
using Adit.Ssh;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Pam;

/// <summary>Sends an order and what goes with it. Throws <see cref="SshException"/> when the helper is gone.</summary>
internal delegate void PamSend(PamOrder order, ReadOnlySpan<SafeFileHandle> descriptors);

/// <summary>The server's end of what a PAM helper starts: each program from the order to start it to its end.</summary>
/// <param name="send">Sends orders; never waits.</param>
/// <param name="kill">Ends a helper that does not answer.</param>
/// <param name="groups">The groups of its programs; null for those that the account has.</param>
internal sealed class PamPrograms(PamSend send, Action kill, IReadOnlyList<uint>? groups) : IProgramParent
{
    /// <summary>A helper has nothing else to do than this, which takes milliseconds.</summary>
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(20);

    /// <summary>How long programs have behind a hang-up.</summary>
    private static readonly TimeSpan HangUpLimit = TimeSpan.FromSeconds(2);

    private readonly TaskCompletionSource _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Dictionary<uint, Entry> _all = [];
    private readonly Lock _lock = new();
    private uint _last;
    private bool _isClosed;

    public Task Lost => _lost.Task;

    public IReadOnlyList<uint>? Groups => groups;

    public async Task<RunningProgram> SpawnAsync(StartHelper helper, ProgramStreams streams, SafeFileHandle spec, SafeFileHandle report, bool endsItsGroup)
    {
        var entry = new Entry(endsItsGroup);
        uint number;
        lock (_lock)
        {
            if (_isClosed)
            {
                throw Gone();
            }

            number = ++_last;
            _all.Add(number, entry);
        }

        try
        {
            var order = new PamOrder(PamOrderKind.StartProgram, [streams.Terminal ?? "", helper.File, .. helper.Arguments]) { Numbers = [number] };
            send(order, streams.Terminal is null ? [spec, report, streams.Input!, streams.Output!, streams.Error!] : [spec, report]);
        }
        catch
        {
            Remove(number);
            throw;
        }

        try
        {
            return await entry.Started.Task.WaitAsync(StartLimit).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            kill(); // whatever it has started meanwhile is ended with it
            throw Gone();
        }
    }

    /// <summary>Throws <see cref="SshException"/> for a report about no program of its own.</summary>
    public void OnReport(PamReport report)
    {
        switch (report)
        {
            case PamStarted { ProcessId: > 1 } started: // a signal to the groups of 0 and 1 would be one to everybody
                var program = RunningProgram.OfAnother(started.ProcessId, Find(started.Number).EndsItsGroup);
                Find(started.Number).Program = program;
                Find(started.Number).Started.TrySetResult(program);
                break;
            case PamStarted failed:
                Find(failed.Number).Started.TrySetException(new SshException(SshError.ResourceLimit, $"cannot start a program: {ProcessCalls.Describe(failed.Error)}"));
                Remove(failed.Number);
                break;
            case PamEnded ended when Find(ended.Number).Program is { } over:
                over.HasEnded(ended.Exit);
                Remove(ended.Number);
                send(new PamOrder(PamOrderKind.Reap) { Numbers = [ended.Number] }, []);
                break;
            case PamText:
                break; // a module speaks while the session is closed: nobody is there to be told
            default:
                throw SshException.Protocol("the PAM helper reports out of turn");
        }
    }

    /// <summary>There is no helper any more. Its programs are init's now: they go on where that was meant to be, as with sshd, and are ended where it was not. Nobody hears of their end.</summary>
    public async Task CloseAsync(bool isLost)
    {
        Entry[] left;
        lock (_lock)
        {
            _isClosed = true;
            left = [.. _all.Values];
            _all.Clear();
        }

        foreach (var entry in left)
        {
            entry.Started.TrySetException(Gone());
            _ = entry.Started.Task.Exception; // seen
        }

        if (!isLost)
        {
            foreach (var entry in left)
            {
                entry.Program?.HasEnded(default);
            }

            return;
        }

        _lost.TrySetResult();
        await Task.WhenAll(left.Select(entry => entry.Program?.EndOrphanAsync(HangUpLimit) ?? Task.CompletedTask)).ConfigureAwait(false);
    }

    private Entry Find(uint number)
    {
        lock (_lock)
        {
            return _all.TryGetValue(number, out var entry) ? entry : throw SshException.Protocol("the PAM helper speaks of a program that is none of its own");
        }
    }

    private void Remove(uint number)
    {
        lock (_lock)
        {
            _all.Remove(number);
        }
    }

    private static SshException Gone() => new(SshError.ResourceLimit, "the process that holds this login's PAM session has ended");

    private sealed class Entry(bool endsItsGroup)
    {
        public bool EndsItsGroup => endsItsGroup;

        public TaskCompletionSource<RunningProgram> Started { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Set by the one who reads reports.</summary>
        public RunningProgram? Program { get; set; }
    }
}
