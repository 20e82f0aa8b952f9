using System.Collections;
using System.Net.Sockets;
using System.Text;
using Adit.Cli.Background;
using Adit.Cli.Multiplexing;
using Adit.Ssh;

namespace Adit.Cli.Client;

/// <summary>ProxyUseFdpass: the ProxyCommand makes the connection, hands its socket over through its standard output, which is a Unix socket, and ends.</summary>
internal static class ProxyDescriptor
{
    private const int Killed = 9; // SIGKILL

    /// <summary>Runs the command, whose tokens are filled in and checked, and waits for the socket. Throws <see cref="SshException"/> where none comes.</summary>
    public static async Task<Stream> ConnectAsync(string command, CancellationToken cancellationToken)
    {
        if (!DescriptorPassing.IsSupported || OperatingSystem.IsWindows())
        {
            throw new SshException(SshError.ConnectFailed, "Could not create socketpair to communicate with proxy dialer");
        }

        var (here, there) = PosixProcess.SocketPair();
        using var ours = new Socket(new SafeSocketHandle(here, ownsHandle: true));
        int process;
        using (new SafeSocketHandle(there, ownsHandle: true)) // the command has its own then: when it ends without a word, so does the pair
        {
            process = Start(command, there);
        }

        using var stop = cancellationToken.UnsafeRegister(static (state, token) => Stop((int)state!), process);
        PassedDescriptor? received = null;
        try
        {
            received = await DescriptorPassing.ReceiveAsync(ours, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            // On a thread of its own: it blocks.
            await Task.Factory.StartNew(() => Wait(process), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false);
        }

        if (cancellationToken.IsCancellationRequested)
        {
            received?.Dispose();
            cancellationToken.ThrowIfCancellationRequested();
        }

        return received is not null
            ? new NetworkStream(new Socket(new SafeSocketHandle(received.Number, ownsHandle: true)), ownsSocket: true)
            : throw new SshException(SshError.ConnectFailed, "proxy dialer did not pass back a connection")
            {
                Hint = "With ProxyUseFdpass the ProxyCommand has to pass a connected socket back: nc -F does.",
            };
    }

    /// <summary>The runtime starts processes with pipes or our own streams alone, so this one is started here: by the user's shell, with the socket as input and output.
    /// Returns its id.</summary>
    private static int Start(string command, int socket)
    {
        var shell = Environment.GetEnvironmentVariable("SHELL") is { Length: > 0 } set ? set : "/bin/sh";
        string[] words = [shell, "-c", $"exec {command}"];
        var variables = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(pair => Encoding.UTF8.GetBytes($"{pair.Key}={pair.Value}"));
        try
        {
            return OperatingSystem.IsWindows()
                ? throw new PlatformNotSupportedException()
                : PosixProcess.Spawn(shell, [.. words.Select(Encoding.UTF8.GetBytes)], [.. variables], [(socket, 0), (socket, 1)]);
        }
        catch (IOException e)
        {
            throw new SshException(SshError.ConnectFailed, $"{shell}: {e.Message}", e);
        }
    }

    private static void Stop(int process)
    {
        if (!OperatingSystem.IsWindows())
        {
            PosixProcess.Kill(process, Killed);
        }
    }

    private static void Wait(int process)
    {
        if (!OperatingSystem.IsWindows())
        {
            _ = PosixProcess.Wait(process);
        }
    }
}
