using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Adit.Ssh.Forwarding;

/// <summary>Unix sockets as OpenSSH makes them: with the mode that StreamLocalBindMask leaves, and with a file that stays when the socket is closed.</summary>
internal static partial class UnixSocket
{
    /// <summary>Connections that may wait to be accepted; the kernel takes its maximum (net.core.somaxconn) where that is less.</summary>
    public const int AcceptBacklog = 4096;

    private const UnixFileMode AllAccess = (UnixFileMode)0b111_111_111;

    /// <summary>Why no socket can have this path, in the C library's words; null when it can.</summary>
    public static string? Flaw(string path) =>
        path.Length == 0 ? "No such file or directory"
        : path.Contains('\0') ? "Invalid argument"
        : Encoding.UTF8.GetByteCount(path) >= ForwardAddress.MaxPathLength ? "File name too long"
        : null;

    /// <summary>What a socket file's mode becomes: everything but the bits of the mask, as bind(2) makes it of a umask.</summary>
    public static UnixFileMode Mode(ListenOptions options) => AllAccess & ~options.BindMask;

    /// <summary>Connects as the user this process is. Throws <see cref="SshException"/> (<see cref="SshError.ConnectFailed"/>) with the C library's words.</summary>
    public static async ValueTask<Socket> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        if (Flaw(path) is { } flaw)
            throw new SshException(SshError.ConnectFailed, flaw);
        var socket = Create();
        try
        {
            await socket.ConnectAsync(new UnixSocketAddress(path), cancellationToken).ConfigureAwait(false);
            return socket;
        }
        catch (Exception e)
        {
            socket.Dispose();
            if (e is SocketException error)
                throw new SshException(SshError.ConnectFailed, Describe(error), e);
            throw;
        }
    }

    /// <summary>Binds and listens as the user this process is. Throws <see cref="SshException"/> (<see cref="SshError.ForwardFailed"/>).</summary>
    public static Socket Listen(string path, ListenOptions options)
    {
        if (Flaw(path) is { } flaw)
            throw Unusable(path, flaw);
        var socket = Create();
        try
        {
            if (options.UnlinkFirst && IsSocket(path))
                File.Delete(path);
            Bind(socket, path, Mode(options));
            socket.Listen(AcceptBacklog);
            return socket;
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException)
        {
            socket.Dispose();
            bool isTaken = e is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse };
            throw CannotBind(path, e is SocketException error ? Describe(error) : e.Message, isTaken ? IsSocket(path) : null, options.UnlinkFirst, e);
        }
    }

    /// <summary>The error for a path that is none, with OpenSSH's line for one that is too long.</summary>
    public static SshException Unusable(string path, string flaw) => flaw == "File name too long"
        ? new SshException(SshError.ForwardFailed, $"unix_listener: path \"{path}\" too long for Unix domain socket")
        {
            Hint = $"a socket's path has room for {ForwardAddress.MaxPathLength - 1} bytes: choose a shorter one",
        }
        : new SshException(SshError.ForwardFailed, $"unix_listener: cannot bind to path {path.Replace("\0", "\\0", StringComparison.Ordinal)}: {flaw}");

    /// <summary>OpenSSH's line for a socket that could not be bound, and what to do.</summary>
    /// <param name="path">Of the socket.</param>
    /// <param name="reason">The C library's words.</param>
    /// <param name="takenBySocket">Whether what is there already is a socket; null when nothing is in the way.</param>
    /// <param name="unlinks">Whether StreamLocalBindUnlink is on.</param>
    /// <param name="inner">What was caught.</param>
    public static SshException CannotBind(string path, string reason, bool? takenBySocket, bool unlinks, Exception? inner = null) =>
        new(SshError.ForwardFailed, $"unix_listener: cannot bind to path {path}: {reason}", inner)
        {
            Hint = takenBySocket switch
            {
                null => null,
                false => "what is there is no socket, and nothing else is ever replaced: choose another path, or move it away",
                _ when unlinks => "somebody else made a socket there at the same time, or it may not be removed",
                _ => "a socket is there already. If an earlier run left it behind (\"ss -xl\" does not show it), remove it, or set StreamLocalBindUnlink=yes where "
                    + "the socket is made: then it is replaced each time",
            },
        };

    private static Socket Create() => new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    private static void Bind(Socket socket, string path, UnixFileMode mode)
    {
        // The file gets the mode of the unbound socket without what the umask takes, so it never has more than it shall have. Only Linux takes a mode for a socket.
        if (OperatingSystem.IsLinux())
        {
            using var handle = new SafeFileHandle(socket.Handle, ownsHandle: false);
            File.SetUnixFileMode(handle, mode);
        }
        socket.Bind(new UnixSocketAddress(path));
        // A mask that allows more than the umask: nobody can connect before it listens.
        if (!OperatingSystem.IsWindows() && File.GetUnixFileMode(path) != mode)
            File.SetUnixFileMode(path, mode);
    }

    /// <summary>Whether the file itself, not one that it links to, is a socket. Nothing else is ever removed.</summary>
    private static bool IsSocket(string path)
    {
        const int currentFolder = -100, noFollow = 0x100;
        const uint typeWanted = 1;
        const ushort typeMask = 0xF000, socketType = 0xC000;
        if (OperatingSystem.IsLinux())
            return Statx(currentFolder, path, noFollow, typeWanted, out var status) == 0 && (status.Mode & typeMask) == socketType;
        return new FileInfo(path) is { Exists: true, LinkTarget: null, Length: 0 };
    }

    /// <summary>connect(2)'s and bind(2)'s errors by their numbers do not get through: .NET knows only those that TCP has too.</summary>
    private static string Describe(SocketException e) => e.SocketErrorCode switch
    {
        SocketError.AddressNotAvailable => "No such file or directory",
        SocketError.WouldBlock => "Resource temporarily unavailable",
        SocketError.SocketError => "a part of the path is no folder, its links go round in circles, or its file system takes no sockets",
        _ => SocketErrors.Describe(e),
    };

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint wanted, out Status status);

    /// <summary>struct statx: only what is looked at is named.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Status
    {
        [FieldOffset(28)]
        public ushort Mode;
    }
}

/// <summary>A Unix socket's path. .NET's own kind of end point makes a socket delete the file when it is closed, and by then that file may be somebody else's.</summary>
internal sealed class UnixSocketAddress(ReadOnlyMemory<byte> path) : EndPoint
{
    private const int PathOffset = 2; // behind sa_family_t

    public UnixSocketAddress(string path) : this(Encoding.UTF8.GetBytes(path))
    {
    }

    public override AddressFamily AddressFamily => AddressFamily.Unix;

    public override SocketAddress Serialize()
    {
        var address = new SocketAddress(AddressFamily.Unix, PathOffset + path.Length + 1);
        path.Span.CopyTo(address.Buffer.Span[PathOffset..]);
        return address;
    }

    public override EndPoint Create(SocketAddress socketAddress) => new UnixSocketAddress(socketAddress.Buffer[Math.Min(PathOffset, socketAddress.Size)..socketAddress.Size]);

    public override string ToString() => Encoding.UTF8.GetString(path.Span).TrimEnd('\0');
}
