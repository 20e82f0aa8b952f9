using System.Runtime.InteropServices;

namespace Adit.Server.Processes;

/// <summary>One message on a connected Unix socket with descriptors that travel along (SCM_RIGHTS). Numbers and layouts are Linux's.</summary>
public static unsafe partial class DescriptorMessages
{
    private const int SocketLevel = 1, Rights = 1;
    private const int DoNotWait = 0x40, NoSignal = 0x4000, CloseOnExec = 0x40000000, IsCut = 0x20, IsControlCut = 8;
    private const short PollOut = 4;

    /// <summary>struct cmsghdr: a length in a machine word, a level, a type; then descriptors.</summary>
    private static readonly int s_headerLength = sizeof(nint) + (2 * sizeof(int));

    /// <summary>Sends one message. Returns the error, 0 for none.</summary>
    /// <param name="socket">One end.</param>
    /// <param name="data">At least one byte: descriptors do not travel alone. A stream may take less of it than all.</param>
    /// <param name="descriptors">The other end gets copies of these; they stay the caller's.</param>
    /// <param name="waits">For as long as the socket has no room.</param>
    public static int Send(SafeHandle socket, ReadOnlySpan<byte> data, ReadOnlySpan<int> descriptors, bool waits)
    {
        ArgumentNullException.ThrowIfNull(socket);
        var length = s_headerLength + (descriptors.Length * sizeof(int));
        var room = Align(length);
        var control = stackalloc byte[room];
        new Span<byte>(control, room).Clear();
        *(nint*)control = length;
        *(int*)(control + sizeof(nint)) = SocketLevel;
        *(int*)(control + sizeof(nint) + sizeof(int)) = Rights;
        descriptors.CopyTo(new Span<int>(control + s_headerLength, descriptors.Length));
        fixed (byte* pointer = data)
        {
            var vector = new Vector { Base = pointer, Length = (nuint)data.Length };
            var message = new Message { Vectors = &vector, VectorCount = 1 };
            if (descriptors.Length > 0)
            {
                message.Control = control;
                message.ControlLength = (nuint)room;
            }

            while (sendmsg(socket, &message, NoSignal | DoNotWait) < 0)
            {
                var error = Marshal.GetLastPInvokeError();
                if (error == ProcessCalls.TryAgain && waits)
                {
                    var wait = new ProcessCalls.PollRequest { Descriptor = (int)socket.DangerousGetHandle(), Events = PollOut };
                    _ = ProcessCalls.Poll(&wait, 1, -1);
                }
                else if (error != ProcessCalls.Interrupted)
                {
                    return error;
                }
            }

            return 0;
        }
    }

    /// <summary>Receives one message.</summary>
    /// <param name="socket">One end.</param>
    /// <param name="buffer">Room for its bytes.</param>
    /// <param name="most">Descriptors that are taken; the kernel drops what comes beyond them.</param>
    /// <param name="waits">For as long as there is none.</param>
    public static ReceivedDescriptors Receive(SafeHandle socket, Span<byte> buffer, int most, bool waits)
    {
        ArgumentNullException.ThrowIfNull(socket);
        var room = Align(s_headerLength + (most * sizeof(int)));
        var control = stackalloc byte[room];
        fixed (byte* pointer = buffer)
        {
            var vector = new Vector { Base = pointer, Length = (nuint)buffer.Length };
            var message = new Message { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = (nuint)room };
            nint count;
            do
            {
                count = recvmsg(socket, &message, CloseOnExec | (waits ? 0 : DoNotWait));
            }
            while (count < 0 && Marshal.GetLastPInvokeError() == ProcessCalls.Interrupted);

            return count < 0
                ? new ReceivedDescriptors(0, [], false, Marshal.GetLastPInvokeError())
                : new ReceivedDescriptors((int)count, DescriptorsIn(control, (int)message.ControlLength), (message.Flags & (IsCut | IsControlCut)) == 0, 0);
        }
    }

    private static int[] DescriptorsIn(byte* control, int length)
    {
        var descriptors = new List<int>();
        for (var at = 0; at + s_headerLength <= length;)
        {
            var header = control + at;
            var own = *(nint*)header;
            if (own < s_headerLength || own > length - at)
            {
                break;
            }

            if (*(int*)(header + sizeof(nint)) == SocketLevel && *(int*)(header + sizeof(nint) + sizeof(int)) == Rights)
            {
                descriptors.AddRange(new ReadOnlySpan<int>(header + s_headerLength, ((int)own - s_headerLength) / sizeof(int)));
            }

            at += Align((int)own);
        }

        return [.. descriptors];
    }

    private static int Align(int length) => (length + sizeof(nint) - 1) & ~(sizeof(nint) - 1);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendmsg(SafeHandle socket, Message* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recvmsg(SafeHandle socket, Message* message, int flags);

    /// <summary>struct iovec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Vector
    {
        public void* Base;
        public nuint Length;
    }

    /// <summary>struct msghdr.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Message
    {
        public void* Name;
        public uint NameLength;
        public Vector* Vectors;
        public nuint VectorCount;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }
}

/// <summary>What <see cref="DescriptorMessages.Receive"/> found.</summary>
/// <param name="Length">Of its bytes; 0 at the end.</param>
/// <param name="Descriptors">What came with it, for the caller to close; they close at exec.</param>
/// <param name="IsWhole">False where something of it did not fit.</param>
/// <param name="Error">0 for none.</param>
public readonly record struct ReceivedDescriptors(int Length, IReadOnlyList<int> Descriptors, bool IsWhole, int Error);
