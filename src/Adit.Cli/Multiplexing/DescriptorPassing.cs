using System.Net.Sockets;
using System.Runtime.InteropServices;
using Adit.Server.Processes;

namespace Adit.Cli.Multiplexing;

/// <summary>Hands descriptors over a Unix socket (SCM_RIGHTS), one with one byte of data each, as OpenSSH does; and tells who is at the other end.</summary>
internal static partial class DescriptorPassing
{
    private const int WouldBlock = 11; // EAGAIN
    private const int SocketLevel = 1; // SOL_SOCKET
    private const int PeerCredentials = 17; // SO_PEERCRED

    /// <summary>Most descriptors that are taken out of one message, to be closed again: a peer may send more than were asked for.</summary>
    private const int MaxReceived = 64;

    /// <summary>False where the system's structures are not known here.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

    /// <summary>Sends one descriptor. The other end gets a copy.</summary>
    /// <exception cref="IOException">The connection takes no more.</exception>
    public static void Send(Socket socket, int descriptor)
    {
        if (DescriptorMessages.Send(socket.SafeHandle, [0], [descriptor], waits: true) is not 0 and var error)
        {
            throw new IOException(Marshal.GetPInvokeErrorMessage(error));
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
    private static bool TryReceive(Socket socket, out int? descriptor)
    {
        var message = DescriptorMessages.Receive(socket.SafeHandle, stackalloc byte[1], MaxReceived, waits: false);
        descriptor = message.Descriptors.Count > 0 ? message.Descriptors[0] : null;
        foreach (var unasked in message.Descriptors.Skip(1))
        {
            PassedDescriptor.Close(unasked);
        }

        return message.Error != WouldBlock;
    }

    [LibraryImport("libc")]
    private static partial uint geteuid();
}
