using Adit.Server.Processes;
using Adit.Ssh;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Pam;

/// <summary>Sends an order and what goes with it. Throws <see cref="SshException"/> when the helper is gone.</summary>
internal delegate void PamSend(PamOrder order, ReadOnlySpan<SafeFileHandle> descriptors);

/// <summary>The server's end of what a PAM helper starts: each program from the order to start it to its end.</summary>
/// <param name="send">Sends orders; never waits.</param>
/// <param name="groups">The groups of its programs; null for those that the account has.</param>
/// <param name="startLimit">How long the start of a program may take; null for <see cref="StartLimit"/>.</param>
internal sealed class PamPrograms(PamSend send, IReadOnlyList<uint>? groups, TimeSpan? startLimit = null) : IProgramParent
{
    /// <summary>A helper has nothing else to do than this, which takes milliseconds. A machine that is too slow for it costs the one start: others of the login's programs run.</summary>
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
            return await entry.Started.Task.WaitAsync(startLimit ?? StartLimit).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return GiveUp(entry, spec) ?? throw new SshException(SshError.ResourceLimit, "the program did not start in time");
        }
    }

    /// <summary>Null, or the program where it has started after all.</summary>
    private RunningProgram? GiveUp(Entry entry, SafeFileHandle spec)
    {
        lock (_lock)
        {
            if (entry.Program is null)
            {
                // What is started later is killed when that is heard of. It must not become the program until then: its terminal may be another's by now.
                entry.IsGivenUp = true;
                _ = ProcessCalls.Truncate(spec, 0);
            }

            return entry.Program;
        }
    }

    /// <summary>The helper is about to be told to end, and still keeps its programs' numbers: those whose groups are not to stay are killed. Nothing is started from here on.</summary>
    public void BeginEnd()
    {
        lock (_lock)
        {
            _isClosed = true;
            foreach (var entry in _all.Values.Where(entry => entry.EndsItsGroup))
            {
                entry.IsGivenUp = true;
                entry.Program?.SignalGroup(ProcessCalls.SigKill);
            }
        }
    }

    /// <summary>Throws <see cref="SshException"/> for a report about no program of its own.</summary>
    public void OnReport(PamReport report)
    {
        switch (report)
        {
            case PamStarted { ProcessId: > 1 } started: // a signal to the groups of 0 and 1 would be one to everybody
                OnStarted(Find(started.Number), started.ProcessId);
                break;
            case PamStarted failed:
                Fail(Find(failed.Number), new SshException(SshError.ResourceLimit, $"cannot start a program: {ProcessCalls.Describe(failed.Error)}"));
                Remove(failed.Number);
                break;
            case PamEnded ended when Find(ended.Number).Program is { } over:
                over.HasEnded(ended.Exit);
                Remove(ended.Number);
                Reap(ended.Number);
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
            Fail(entry, Gone());
        }

        if (!isLost)
        {
            foreach (var entry in left)
            {
                entry.Program?.IsLost(default);
            }

            return;
        }

        _lost.TrySetResult();
        await Task.WhenAll(left.Select(entry => entry.Program?.EndOrphanAsync(HangUpLimit) ?? Task.CompletedTask)).ConfigureAwait(false);
    }

    private void OnStarted(Entry entry, int processId)
    {
        // The helper keeps its number at least until it hears of the end.
        var program = RunningProgram.OfAnother(processId, entry.EndsItsGroup);
        lock (_lock)
        {
            entry.Program = program;
            if (entry.IsGivenUp)
            {
                program.SignalGroup(ProcessCalls.SigKill);
            }
        }

        entry.Started.TrySetResult(program);
    }

    private static void Fail(Entry entry, SshException problem)
    {
        entry.Started.TrySetException(problem);
        _ = entry.Started.Task.Exception; // seen, where nobody waits for it
    }

    /// <summary>A helper that takes no orders any more may be closing the session still, and has more to report: that it is gone is seen by its end.</summary>
    private void Reap(uint number)
    {
        try
        {
            send(new PamOrder(PamOrderKind.Reap) { Numbers = [number] }, []);
        }
        catch (SshException)
        {
            // The helper's end frees the number as well.
        }
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

        /// <summary>Set by the one who reads reports, under the lock.</summary>
        public RunningProgram? Program { get; set; }

        /// <summary>Nobody wants it any more: it is killed when it has started. Under the lock.</summary>
        public bool IsGivenUp { get; set; }
    }
}
