using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Adit.Cli.Diagnostics;
using Adit.Ssh;

namespace Adit.Cli.Multiplexing;

/// <summary>The Unix socket that ControlPath names: connecting to it, and putting one there.</summary>
internal static unsafe partial class ControlSocket
{
    public const int NoSuchFile = 2; // ENOENT
    public const int Refused = 111; // ECONNREFUSED

    /// <summary>Room for a path and its terminator in sockaddr_un.</summary>
    private const int PathRoom = 108;
    private const int RandomLength = 16;
    private const int Backlog = 64;
    private const int AlreadyExists = 17; // EEXIST
    private const int Interrupted = 4;
    private const string Letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    /// <summary>Connects. Null and the system's error number where nobody answers.</summary>
    /// <exception cref="SshException"><see cref="SshError.Configuration"/>: the path is too long.</exception>
    public static Socket? Connect(string path, out int error)
    {
        error = 0;
        var bytes = Encoding.UTF8.GetBytes(path);
        if (bytes.Length >= PathRoom)
        {
            throw new SshException(SshError.Configuration, $"ControlPath too long ('{path}' >= {PathRoom} bytes)")
            {
                Hint = "%C in ControlPath stands for a short hash of the whole destination.",
            };
        }

        // The runtime's own connect does not tell "no such file" from others.
        var descriptor = socket(1, 1 | 0x80000, 0); // AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC
        if (descriptor < 0)
        {
            throw new SshException(SshError.Unknown, $"muxclient socket(): {Describe(Marshal.GetLastPInvokeError())}");
        }

        var address = stackalloc byte[2 + PathRoom];
        new Span<byte>(address, 2 + PathRoom).Clear();
        *(ushort*)address = 1;
        bytes.CopyTo(new Span<byte>(address + 2, bytes.Length));
        while (connect(descriptor, address, 2 + PathRoom) != 0)
        {
            error = Marshal.GetLastPInvokeError();
            if (error != Interrupted)
            {
                PassedDescriptor.Close(descriptor);
                return null;
            }
        }

        error = 0;
        return new Socket(new SafeSocketHandle(descriptor, ownsHandle: true));
    }

    /// <summary>strerror(3).</summary>
    public static string Describe(int error) => Marshal.GetPInvokeErrorMessage(error);

    /// <summary>Removes one that nobody listens on. Where that cannot be, whoever wants to listen there finds it.</summary>
    public static void RemoveStale(string path, LogOutput log)
    {
        log.Write(OpenSshLogLevel.Debug1, $"Stale control socket {path}, unlinking");
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The connection does not need it gone.
        }
    }

    /// <summary>Listens at <paramref name="path"/>, for this user alone. The socket is made under another name and then linked: nobody ever finds one there that does not
    /// listen yet, and nobody's is replaced. Null where there is a file already.</summary>
    /// <exception cref="SshException"><see cref="SshError.Configuration"/> or <see cref="SshError.FileAccess"/>: it cannot be made there.</exception>
    public static Socket? Listen(string path)
    {
        var temporary = $"{path}.{RandomNumberGenerator.GetString(Letters, RandomLength)}";
        if (Encoding.UTF8.GetByteCount(temporary) >= PathRoom)
        {
            throw new SshException(SshError.Configuration, $"ControlPath \"{temporary}\" too long for Unix domain socket")
            {
                Hint = "%C in ControlPath stands for a short hash of the whole destination.",
            };
        }

        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            listener.Bind(new UnixDomainSocketEndPoint(temporary));
            // Nobody can connect before it listens.
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(temporary, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }

            listener.Listen(Backlog);
            if (link(temporary, path) == 0)
            {
                File.Delete(temporary);
                return listener;
            }

            var error = Marshal.GetLastPInvokeError();
            listener.Dispose();
            File.Delete(temporary);
            return error == AlreadyExists ? null : throw new SshException(SshError.FileAccess, $"muxserver_listen: link mux listener {temporary} => {path}: {Describe(error)}");
        }
        catch (Exception e) when (e is SocketException or IOException and not SshException or UnauthorizedAccessException)
        {
            listener.Dispose();
            var reason = !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(path))) ? Describe(NoSuchFile) : e.Message;
            throw new SshException(SshError.FileAccess, $"unix_listener: cannot bind to path {temporary}: {reason}", e) { Hint = "ControlPath names a file in a folder that exists and is yours." };
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int connect(int socket, byte* address, uint length);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int link(string from, string to);
}
