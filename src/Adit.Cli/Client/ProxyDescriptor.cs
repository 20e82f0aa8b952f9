using System.Net.Sockets;
using System.Runtime.InteropServices;
using Adit.Ssh;

namespace Adit.Cli.Client;

/// <summary>ProxyUseFdpass: the ProxyCommand makes the connection, hands its socket over through its standard output, which is a Unix socket, and ends.</summary>
internal static partial class ProxyDescriptor
{
    private const int Unix = 1; // AF_UNIX
    private const int Streams = 1; // SOCK_STREAM
    private const int CloseOnExecute = 0x40000; // MSG_CMSG_CLOEXEC

    /// <summary>What precedes the data of a control message: its length, level and type.</summary>
    private const int HeaderLength = 16;

    /// <summary>posix_spawn_file_actions_t is 80 bytes with glibc and musl.</summary>
    private const int ActionsLength = 256;

    private const int SocketLevel = 1; // SOL_SOCKET
    private const int Rights = 1; // SCM_RIGHTS

    /// <summary>Runs the command, whose tokens are filled in and checked, and waits for the socket. Throws <see cref="SshException"/> where none comes.</summary>
    public static async Task<Stream> ConnectAsync(string command, CancellationToken cancellationToken)
    {
        var pair = new int[2];
        if (!OperatingSystem.IsLinux() || SocketPair(Unix, Streams, 0, pair) != 0)
        {
            throw new SshException(SshError.ConnectFailed, "Could not create socketpair to communicate with proxy dialer");
        }

        int process;
        try
        {
            process = Start(command, pair[1], pair[0]);
        }
        finally
        {
            _ = Close(pair[1]); // the command has its own now: when it ends without a word, so does the pair
        }

        // Blocking, on a thread of its own; closing the pair's end would not wake it, ending the command does.
        using var stop = cancellationToken.UnsafeRegister(static (state, token) => _ = Kill((int)state!, 9), process);
        var socket = await Task.Factory.StartNew(
            () =>
            {
                var received = Receive(pair[0]);
                _ = WaitFor(process, 0, 0);
                return received;
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return socket >= 0
            ? new NetworkStream(new Socket(new SafeSocketHandle(socket, ownsHandle: true)), ownsSocket: true)
            : throw new SshException(SshError.ConnectFailed, "proxy dialer did not pass back a connection")
            {
                Hint = "With ProxyUseFdpass the ProxyCommand has to pass a connected socket back: nc -F does.",
            };
    }

    /// <summary>The runtime starts processes with pipes or our own streams alone, so this one is started here: by the user's shell, with the socket as input and output.
    /// Returns its id.</summary>
    private static unsafe int Start(string command, int theirs, int ours)
    {
        var shell = Environment.GetEnvironmentVariable("SHELL") is { Length: > 0 } set ? set : "/bin/sh";
        nint[] words = [Marshal.StringToCoTaskMemUTF8(shell), Marshal.StringToCoTaskMemUTF8("-c"), Marshal.StringToCoTaskMemUTF8($"exec {command}"), 0];
        var actions = stackalloc byte[ActionsLength];
        try
        {
            _ = InitializeActions(actions);
            _ = AddDuplicate(actions, theirs, 0);
            _ = AddDuplicate(actions, theirs, 1);
            _ = AddClose(actions, theirs);
            _ = AddClose(actions, ours);
            var environment = Marshal.ReadIntPtr(NativeLibrary.GetExport(NativeLibrary.GetMainProgramHandle(), "environ"));
            var error = Spawn(out var process, shell, actions, 0, words, environment);
            return error == 0 ? process : throw new SshException(SshError.ConnectFailed, $"{shell}: {Marshal.GetPInvokeErrorMessage(error)}");
        }
        finally
        {
            _ = DestroyActions(actions);
            Array.ForEach(words, Marshal.FreeCoTaskMem);
        }
    }

    /// <summary>The descriptor that comes with the first byte; -1 where none does. Closes the pair's end.</summary>
    private static unsafe int Receive(int pair)
    {
        byte data = 0;
        var control = stackalloc byte[64];
        var part = new Part { Start = (nint)(&data), Length = 1 };
        var message = new Message { Parts = (nint)(&part), PartCount = 1, Control = (nint)control, ControlLength = 64 };
        nint received;
        do
        {
            received = ReceiveMessage(pair, &message, CloseOnExecute);
        }
        while (received < 0 && Marshal.GetLastPInvokeError() == 4); // EINTR

        _ = Close(pair);
        var header = new Span<byte>(control, 64);
        return received == 1 && message.ControlLength >= HeaderLength + sizeof(int)
            && BitConverter.ToInt64(header) == HeaderLength + sizeof(int) && BitConverter.ToInt32(header[8..]) == SocketLevel && BitConverter.ToInt32(header[12..]) == Rights
            ? BitConverter.ToInt32(header[HeaderLength..])
            : -1;
    }

    [LibraryImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    private static partial int SocketPair(int domain, int type, int protocol, [Out] int[] pair);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_init")]
    private static unsafe partial int InitializeActions(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_destroy")]
    private static unsafe partial int DestroyActions(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_adddup2")]
    private static unsafe partial int AddDuplicate(byte* actions, int from, int to);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_addclose")]
    private static unsafe partial int AddClose(byte* actions, int descriptor);

    [LibraryImport("libc", EntryPoint = "posix_spawn", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int Spawn(out int process, string path, byte* actions, nint attributes, nint[] arguments, nint environment);

    [LibraryImport("libc", EntryPoint = "waitpid")]
    private static partial int WaitFor(int process, nint status, int options);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "recvmsg", SetLastError = true)]
    private static unsafe partial nint ReceiveMessage(int socket, Message* message, int flags);

    /// <summary>struct iovec.</summary>
    private struct Part
    {
        public nint Start;
        public nint Length;
    }

    /// <summary>struct msghdr of 64-bit Linux.</summary>
    private struct Message
    {
        public nint Name;
        public int NameLength;
        public nint Parts;
        public nint PartCount;
        public nint Control;
        public nint ControlLength;
        public int Flags;
    }
}
