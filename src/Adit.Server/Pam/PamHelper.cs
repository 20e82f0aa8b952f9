using System.Buffers.Binary;
using System.Security.Cryptography;
using Adit.Server.Processes;
using Adit.Server.Users;
using Adit.Ssh;
using Adit.Ssh.Transport;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Pam;

/// <summary>The server's end of one PAM helper: orders out, reports in. One order at a time.</summary>
internal interface IPamHelper : IAsyncDisposable
{
    /// <summary>Throws <see cref="SshException"/> when the helper is gone.</summary>
    void Send(PamOrder order);

    /// <summary>The next report. Throws <see cref="SshException"/> when the helper is gone or talks nonsense.</summary>
    ValueTask<PamReport> ReceiveAsync(CancellationToken cancellationToken);

    /// <summary>The session is open, and nothing is asked of PAM any more: from here on the helper starts programs, and its reports are about those.</summary>
    /// <param name="groups">The groups of its programs; null for those that the account has.</param>
    IProgramParent BecomeParent(IReadOnlyList<uint>? groups);
}

/// <summary>A helper in a process of its own, from its start to its end.</summary>
internal sealed class PamHelper : IPamHelper
{
    /// <summary>How long closing a session may take: what takes longer is killed, and the next login is not kept from anything by it.</summary>
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(20), KillLimit = TimeSpan.FromSeconds(5);

    private readonly RunningProgram _program;
    private readonly SafeFileHandle _orders;
    private readonly PolledDescriptor _reports;
    private readonly AsyncSignal _ready = new();
    private readonly List<byte> _received = [];
    private PamPrograms? _programs;
    private volatile bool _isEnding;
    private Task _serving = Task.CompletedTask;

    private PamHelper(RunningProgram program, SafeFileHandle orders, SafeFileHandle reports)
    {
        _program = program;
        _orders = orders;
        ProgramLauncher.SetNonBlocking(orders);
        ProgramLauncher.SetNonBlocking(reports);
        _reports = new PolledDescriptor(reports, _ => _ready.Set());

        // A child that a module left behind may hold the pipe for as long as it likes: there is nobody at its other end then.
        _ = program.Exit.ContinueWith(static (_, ready) => ((AsyncSignal)ready!).Set(), _ready, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>Starts one. Throws <see cref="SshException"/> when it cannot be started.</summary>
    public static Task<IPamHelper> StartAsync(ProgramLauncher launcher, CancellationToken cancellationToken) => BlockingWork.RunAsync<IPamHelper>(() => Start(launcher), cancellationToken);

    private static PamHelper Start(ProgramLauncher launcher)
    {
        var program = launcher.LaunchHelper("pam", out var orders, out var reports);
        return new PamHelper(program, orders, reports);
    }

    public void Send(PamOrder order) => Send(order, []);

    private void Send(PamOrder order, ReadOnlySpan<SafeFileHandle> descriptors)
    {
        var body = order.ToArray();
        try
        {
            // A socket that nobody reads holds some 200 KiB, an order a few hundred bytes: it fits, or something is wrong.
            if (body.Length > DescriptorSocket.MaxLength)
            {
                throw Gone("an order is too long for it");
            }

            if (DescriptorSocket.Send(_orders, body, descriptors) is not 0 and var error)
            {
                throw Gone(ProcessCalls.Describe(error));
            }
        }
        catch (ObjectDisposedException)
        {
            throw Gone("it is being ended");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(body);
        }
    }

    public async ValueTask<PamReport> ReceiveAsync(CancellationToken cancellationToken)
    {
        // Whoever gives up waiting has no use for the helper any more: it is in the middle of something. Its death ends the wait.
        using var giveUp = cancellationToken.UnsafeRegister(static program => ((RunningProgram)program!).SignalGroup(ProcessCalls.SigKill), _program);
        var buffer = new byte[4096];
        while (true)
        {
            if (Take() is { } report)
            {
                return report;
            }

            var hasEnded = _program.Exit.IsCompleted; // first: what it wrote before is there to be read then
            var (count, error) = Read(buffer);
            if (count > 0)
            {
                _received.AddRange(buffer.AsSpan(0, count));
                continue;
            }

            if (count == 0 || error != ProcessCalls.TryAgain || hasEnded)
            {
                cancellationToken.ThrowIfCancellationRequested();
                throw Gone(count == 0 || error == ProcessCalls.TryAgain ? "it has ended" : ProcessCalls.Describe(error));
            }

            Watch();
            await _ready.WaitAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Lets it close what it has opened, and end; else kills it.</summary>
    public async ValueTask DisposeAsync()
    {
        _isEnding = true;
        _programs?.BeginEnd();
        _orders.Dispose();
        try
        {
            await _program.Exit.WaitAsync(EndLimit).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            _program.SignalGroup(ProcessCalls.SigKill);
            await Task.WhenAny(_program.Exit, Task.Delay(KillLimit)).ConfigureAwait(false);
        }

        _reports.Close();
        _ready.Set(); // of one that not even this has ended nothing is heard any more
        await _serving.ConfigureAwait(false);
    }

    public IProgramParent BecomeParent(IReadOnlyList<uint>? groups)
    {
        _programs = new PamPrograms(Send, groups);
        _serving = ServeAsync(_programs);
        return _programs;
    }

    /// <summary>Until the helper has ended. Where that was not asked for its programs end too.</summary>
    private async Task ServeAsync(PamPrograms programs)
    {
        await Task.Yield();
        try
        {
            while (true)
            {
                programs.OnReport(await ReceiveAsync(CancellationToken.None).ConfigureAwait(false));
            }
        }
        catch (SshException)
        {
            if (!_isEnding)
            {
                _program.SignalGroup(ProcessCalls.SigKill); // it may only have talked nonsense
            }

            await programs.CloseAsync(isLost: !_isEnding).ConfigureAwait(false);
        }
    }

    private void Watch()
    {
        try
        {
            _reports.Watch(DescriptorLoop.Readable);
        }
        catch (ObjectDisposedException)
        {
            throw Gone("it is being ended"); // by another, just now
        }
    }

    private (int Count, int Error) Read(Span<byte> buffer)
    {
        try
        {
            return (ProcessCalls.Read(_reports.Handle, buffer, out var error), error);
        }
        catch (ObjectDisposedException)
        {
            return (0, 0);
        }
    }

    private PamReport? Take()
    {
        if (_received.Count < PamFrame.HeaderLength)
        {
            return null;
        }

        var all = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_received);
        var length = BinaryPrimitives.ReadUInt32BigEndian(all);
        if (length > PamFrame.MaxLength)
        {
            throw Gone("it talks nonsense");
        }

        if (all.Length < PamFrame.HeaderLength + (int)length)
        {
            return null;
        }

        var report = PamReport.Read(all.Slice(PamFrame.HeaderLength, (int)length));
        _received.RemoveRange(0, PamFrame.HeaderLength + (int)length);
        return report;
    }

    private static SshException Gone(string why) => new(SshError.AuthenticationFailed, $"the PAM helper is of no use: {why}");
}
