using System.Runtime.InteropServices;
using Adit.Server.Processes;
using Adit.Ssh;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Pam;

/// <summary>The helper's end of the programs that it starts for its login. They are started by the thread that called the modules: what those changed about it (namespaces, keyrings, audit's
/// login id) is the programs' too.</summary>
/// <param name="send">Reports; called on several threads.</param>
/// <param name="begin">Starts a thread; null for what does that.</param>
internal sealed class PamChildren(Action<PamReport> send, Action<Thread>? begin = null)
{
    private const int ById = 1, Exited = 4, LeaveIt = 0x1000000; // P_PID, WEXITED, WNOWAIT
    private const int StackSize = 256 * 1024;

    private readonly Dictionary<uint, int> _running = [];

    /// <summary>Starts what an order says, and reports that; its end is reported by a thread that does nothing but wait for it.</summary>
    public void Start(PamOrder order, IReadOnlyList<SafeFileHandle> descriptors)
    {
        if (order is not { Numbers: [var number], Texts: { Count: > 1 } texts } || descriptors.Count != (texts[0].Length == 0 ? 5 : 2))
        {
            throw SshException.Protocol("an order to start nothing");
        }

        var (terminal, file) = (texts[0], texts[1]);
        var streams = terminal.Length == 0 ? new ProgramStreams(descriptors[2], descriptors[3], descriptors[4]) : new ProgramStreams { Terminal = terminal };
        var process = 0;
        var waiting = new Thread(() => WaitFor(number, process), StackSize) { IsBackground = true };
        var error = ProgramSpawn.Spawn(file, texts.Skip(2), ProgramSpawn.HelperEnvironment(), "/", streams, descriptors[0], descriptors[1], out process);
        if (error != 0)
        {
            send(new PamStarted(number, 0, error));
            return;
        }

        _running.Add(number, process);
        send(new PamStarted(number, process, 0));
        try
        {
            // Behind the report of the start.
            (begin ?? (static thread => thread.Start()))(waiting);
        }
        catch (Exception problem) when (problem is OutOfMemoryException or ThreadStartException)
        {
            // The program was the last task that the session may have (pam_systemd's TasksMax). Without somebody who waits for it there is none; the session stands.
            _ = ProcessCalls.Kill(-process, ProcessCalls.SigKill);
            WaitFor(number, process);
        }
    }

    /// <summary>The server knows that it has ended.</summary>
    public void Reap(PamOrder order)
    {
        if (order.Numbers is [var number] && _running.Remove(number, out var process))
        {
            Wait(process, stackalloc byte[ProgramExit.InformationLength], Exited);
        }
    }

    private void WaitFor(uint number, int process)
    {
        Span<byte> information = stackalloc byte[ProgramExit.InformationLength];
        information.Clear();
        Wait(process, information, Exited | LeaveIt);
        try
        {
            send(new PamEnded(number, ProgramExit.Read(information)));
        }
        catch (SshException)
        {
            // The server is gone, which the other thread hears too.
        }
    }

    private static unsafe void Wait(int process, Span<byte> information, int options)
    {
        fixed (byte* pointer = information)
        {
            while (ProcessCalls.Wait(ById, process, pointer, options) != 0 && Marshal.GetLastPInvokeError() == ProcessCalls.Interrupted)
            {
            }
        }
    }
}
