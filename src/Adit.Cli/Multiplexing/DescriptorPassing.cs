using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Adit.Cli.Multiplexing;

/// <summary>Hands descriptors over a Unix socket (SCM_RIGHTS), one with one byte of data each, as OpenSSH does; and tells who is at the other end. The structures are
/// Linux's.</summary>
internal static partial class DescriptorPassing
{
    private const int Interrupted = 4; // EINTR
    private const int WouldBlock = 11; // EAGAIN
    private const int SocketLevel = 1; // SOL_SOCKET
    private const int Rights = 1; // SCM_RIGHTS
    private const int PeerCredentials = 17; // SO_PEERCRED
    private const int DoNotWait = 0x40; // MSG_DONTWAIT
    private const int NoSignal = 0x4000; // MSG_NOSIGNAL
    private const int CloseOnExec = 0x40000000; // MSG_CMSG_CLOEXEC
    private const short PollOut = 4;

    /// <summary>cmsghdr: a length in a machine word, a level, a type; then the descriptor.</summary>
    private static readonly int HeaderLength = IntPtr.Size + (2 * sizeof(int));

    /// <summary>Most descriptors that are taken out of one message, to be closed again: a peer may send more than were asked for.</summary>
    private const int MaxReceived = 64;

    /// <summary>False where the system's structures are not known here.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

    /// <summary>Sends one descriptor. The other end gets a copy.</summary>
    /// <exception cref="IOException">The connection takes no more.</exception>
    public static unsafe void Send(Socket socket, int descriptor)
    {
        var control = stackalloc byte[64];
        var length = HeaderLength + sizeof(int);
        WriteHeader(control, length);
        *(int*)(control + HeaderLength) = descriptor;
        byte data = 0;
        var vector = new Vector { Base = &data, Length = 1 };
        var message = new Message { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = (nuint)Align(length) };
        while (sendmsg((int)socket.Handle, &message, NoSignal) < 0)
        {
            var error = Marshal.GetLastPInvokeError();
            if (error == WouldBlock)
            {
                var wait = new PollDescriptor { Descriptor = (int)socket.Handle, Events = PollOut };
                _ = poll(&wait, 1, -1);
            }
            else if (error != Interrupted)
            {
                throw new IOException(Marshal.GetPInvokeErrorMessage(error));
            }
        }
    }

    /// <summary>Waits for one descriptor, which closes at exec. Null when what came was none, or the connection ended.</summary>
    public static async Task<PassedDescriptor?> ReceiveAsync(Socket socket, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                // Waits without taking the byte: a plain receive would throw away what travels with it.
                await socket.ReceiveAsync(Memory<byte>.Empty, cancellationToken).ConfigureAwait(false);
            }
            catch (SocketException)
            {
                return null;
            }

            if (TryReceive(socket, out var descriptor))
            {
                return descriptor is { } received ? new PassedDescriptor(received) : null;
            }
        }
    }

    /// <summary>The user at the other end of a connected Unix socket.</summary>
    public static uint PeerUserId(Socket socket)
    {
        Span<byte> credentials = stackalloc byte[12]; // pid, uid, gid
        _ = socket.GetRawSocketOption(SocketLevel, PeerCredentials, credentials);
        return MemoryMarshal.Read<uint>(credentials[4..]);
    }

    /// <summary>This process's effective user.</summary>
    public static uint UserId() => geteuid();

    /// <summary>False when there is nothing to receive after all.</summary>
    private static unsafe bool TryReceive(Socket socket, out int? descriptor)
    {
        descriptor = null;
        var capacity = Align(HeaderLength + (MaxReceived * sizeof(int)));
        var control = stackalloc byte[capacity];
        byte data;
        var vector = new Vector { Base = &data, Length = 1 };
        var message = new Message { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = (nuint)capacity };
        nint count;
        do
        {
            count = recvmsg((int)socket.Handle, &message, DoNotWait | CloseOnExec);
        }
        while (count < 0 && Marshal.GetLastPInvokeError() == Interrupted);

        if (count < 0)
        {
            return Marshal.GetLastPInvokeError() != WouldBlock;
        }

        var offset = 0;
        while (count > 0 && offset + HeaderLength <= (int)message.ControlLength)
        {
            var header = control + offset;
            var length = (int)(IntPtr.Size == 8 ? *(ulong*)header : *(uint*)header);
            if (length < HeaderLength || offset + length > (int)message.ControlLength)
            {
                break;
            }

            if (*(int*)(header + IntPtr.Size) == SocketLevel && *(int*)(header + IntPtr.Size + sizeof(int)) == Rights)
            {
                for (var at = HeaderLength; at + sizeof(int) <= length; at += sizeof(int))
                {
                    var received = *(int*)(header + at);
                    if (descriptor is null)
                    {
                        descriptor = received;
                    }
                    else
                    {
                        PassedDescriptor.Close(received); // nobody asked for it
                    }
                }
            }

            offset += Align(length);
        }

        return true;
    }

    private static unsafe void WriteHeader(byte* control, int length)
    {
        if (IntPtr.Size == 8)
        {
            *(ulong*)control = (ulong)length;
        }
        else
        {
            *(uint*)control = (uint)length;
        }

        *(int*)(control + IntPtr.Size) = SocketLevel;
        *(int*)(control + IntPtr.Size + sizeof(int)) = Rights;
    }

    private static int Align(int length) => (length + IntPtr.Size - 1) & ~(IntPtr.Size - 1);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial nint sendmsg(int socket, Message* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial nint recvmsg(int socket, Message* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial int poll(PollDescriptor* descriptors, nuint count, int timeout);

    [LibraryImport("libc")]
    private static partial uint geteuid();

    /// <summary>struct iovec</summary>
    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct Vector
    {
        public void* Base;
        public nuint Length;
    }

    /// <summary>struct msghdr</summary>
    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct Message
    {
        public void* Name;
        public uint NameLength;
        public Vector* Vectors;
        public nuint VectorCount;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}
