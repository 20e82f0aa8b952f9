using System.Runtime.InteropServices;
using Adit.Ssh;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Processes;

/// <summary>A pair of Unix sockets that keep messages apart and take descriptors along (SOCK_SEQPACKET, SCM_RIGHTS). Layouts are those of 64-bit Linux.</summary>
internal static unsafe partial class DescriptorSocket
{
    /// <summary>A message is no longer than this: one that nobody has read yet fits into the socket then, and sending never waits.</summary>
    public const int MaxLength = 128 * 1024;

    /// <summary>What a message takes along.</summary>
    public const int MostDescriptors = 8;

    private const int Unix = 1, Packets = 5, SocketLevel = 1, Rights = 1;
    private const int DoNotWait = 0x40, NoSignal = 0x4000, CloseOnExec = 0x40000000, IsCut = 0x20, IsControlCut = 8;

    /// <summary>struct cmsghdr: a length in a machine word, a level, a type; then descriptors.</summary>
    private const int HeaderLength = 16, ControlLength = HeaderLength + (MostDescriptors * sizeof(int));

    /// <summary>Both ends, which other programs do not get. Throws <see cref="SshException"/> when there are no more descriptors to be had.</summary>
    /// <param name="least">Their numbers are not below it.</param>
    public static (SafeFileHandle Reading, SafeFileHandle Writing) CreatePair(int least)
    {
        var ends = stackalloc int[2];
        return socketpair(Unix, Packets | ProcessCalls.OpenCloseOnExec, 0, ends) == 0
            ? (ProcessCalls.Own(ends[0], least), ProcessCalls.Own(ends[1], least))
            : throw new SshException(SshError.ResourceLimit, $"socketpair: {ProcessCalls.Describe(Marshal.GetLastPInvokeError())}");
    }

    /// <summary>Sends one message, without waiting. Returns the error, 0 for none.</summary>
    /// <param name="socket">One end.</param>
    /// <param name="data">At least one byte.</param>
    /// <param name="descriptors">The other end gets copies of these; they stay the caller's.</param>
    public static int Send(SafeFileHandle socket, ReadOnlySpan<byte> data, ReadOnlySpan<SafeFileHandle> descriptors)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(data.Length, MaxLength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(descriptors.Length, MostDescriptors);
        var control = stackalloc byte[ControlLength];
        *(ulong*)control = (ulong)(HeaderLength + (descriptors.Length * sizeof(int)));
        *(int*)(control + 8) = SocketLevel;
        *(int*)(control + 12) = Rights;
        for (var i = 0; i < descriptors.Length; i++)
        {
            *(int*)(control + HeaderLength + (i * sizeof(int))) = (int)descriptors[i].DangerousGetHandle();
        }

        fixed (byte* pointer = data)
        {
            var vector = new Vector { Base = pointer, Length = (nuint)data.Length };
            var message = new Message { Vectors = &vector, VectorCount = 1 };
            if (descriptors.Length > 0)
            {
                message.Control = control;
                message.ControlLength = (nuint)(HeaderLength + (descriptors.Length * sizeof(int)));
            }

            while (sendmsg(socket, &message, NoSignal | DoNotWait) < 0)
            {
                var error = Marshal.GetLastPInvokeError();
                if (error != ProcessCalls.Interrupted)
                {
                    return error;
                }
            }

            return 0;
        }
    }

    /// <summary>Waits for one message. Its length; 0 at the end, and where it cannot be had whole.</summary>
    /// <param name="socket">One end.</param>
    /// <param name="buffer">Room for <see cref="MaxLength"/>.</param>
    /// <param name="descriptors">What came with it, for the caller to dispose of.</param>
    public static int Receive(SafeFileHandle socket, Span<byte> buffer, out IReadOnlyList<SafeFileHandle> descriptors)
    {
        var received = new List<SafeFileHandle>();
        descriptors = received;
        var control = stackalloc byte[ControlLength];
        fixed (byte* pointer = buffer)
        {
            var vector = new Vector { Base = pointer, Length = (nuint)buffer.Length };
            var message = new Message { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = ControlLength };
            nint count;
            do
            {
                count = recvmsg(socket, &message, CloseOnExec);
            }
            while (count < 0 && Marshal.GetLastPInvokeError() == ProcessCalls.Interrupted);

            if (count > 0 && message.ControlLength > HeaderLength && *(int*)(control + 8) == SocketLevel && *(int*)(control + 12) == Rights)
            {
                for (var at = HeaderLength; at + sizeof(int) <= (int)Math.Min(*(ulong*)control, message.ControlLength); at += sizeof(int))
                {
                    received.Add(ProcessCalls.Own(*(int*)(control + at), ProgramSpawn.FirstFree));
                }
            }

            return count < 0 || (message.Flags & (IsCut | IsControlCut)) != 0 ? 0 : (int)count;
        }
    }

    /// <summary>Behind what is in it already, readers of this end find the end, and senders at the other an error.</summary>
    public static void StopReading(SafeFileHandle socket) => _ = shutdown(socket, 0);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int shutdown(SafeFileHandle socket, int how);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socketpair(int domain, int type, int protocol, int* ends);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendmsg(SafeFileHandle socket, Message* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recvmsg(SafeFileHandle socket, Message* message, int flags);

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
