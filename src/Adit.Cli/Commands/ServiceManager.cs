using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Adit.Ssh;

namespace Adit.Cli.Commands;

/// <summary>systemd's two protocols, as far as a server needs them: sockets that it opened (sd_listen_fds(3)), and words on how the service is (sd_notify(3)).
/// Without systemd there are none, and nobody is told.</summary>
internal sealed partial class ServiceManager
{
    private const int FirstSocket = 3, MostSockets = 256, SetDescriptorFlags = 2;

    private readonly string? _notify;

    private ServiceManager(string? notify, IReadOnlyList<Socket> sockets) => (_notify, Sockets) = (notify, sockets);

    /// <summary>Sockets that listen already.</summary>
    public IReadOnlyList<Socket> Sockets { get; }

    /// <summary>Takes what the environment says, out of it: programs that are started from here are another matter. Throws <see cref="SshException"/> for a
    /// descriptor that is no socket.</summary>
    public static ServiceManager Adopt()
    {
        var notify = Take("NOTIFY_SOCKET");
        var (process, count) = (Take("LISTEN_PID"), Take("LISTEN_FDS"));
        _ = Take("LISTEN_FDNAMES");
        if (process != Environment.ProcessId.ToString(CultureInfo.InvariantCulture)
            || !int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number is < 1 or > MostSockets || OperatingSystem.IsWindows())
        {
            return new ServiceManager(notify, []);
        }

        return new ServiceManager(notify, [.. Enumerable.Range(FirstSocket, number).Select(Adopt)]);
    }

    /// <summary>Whether systemd opened sockets for this process: it is then no daemon by itself. Looks, and takes nothing.</summary>
    public static bool HasSockets() => Environment.GetEnvironmentVariable("LISTEN_PID") == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);

    public void Ready() => Tell($"READY=1\nMAINPID={Environment.ProcessId}");

    public void Reloading() => Tell($"RELOADING=1\nMONOTONIC_USEC={Stopwatch.GetTimestamp() * (1_000_000.0 / Stopwatch.Frequency):0}");

    public void Stopping() => Tell("STOPPING=1");

    private static Socket Adopt(int descriptor)
    {
        try
        {
            _ = fcntl(descriptor, SetDescriptorFlags, 1); // what is started from here does not get it
            var socket = new Socket(new SafeSocketHandle(descriptor, ownsHandle: true));
            return socket.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6 && socket.SocketType == SocketType.Stream
                ? socket
                : throw new SshException(SshError.Configuration, $"LISTEN_FDS: descriptor {descriptor} is no TCP socket");
        }
        catch (SocketException e)
        {
            throw new SshException(SshError.Configuration, $"LISTEN_FDS: descriptor {descriptor} is no socket", e);
        }
    }

    private void Tell(string state)
    {
        if (_notify is not ['/' or '@', _, ..])
        {
            return;
        }

        try
        {
            // '@' stands for the zero byte in front of an abstract name.
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            socket.SendTo(Encoding.UTF8.GetBytes(state), new UnixDomainSocketEndPoint(_notify[0] == '@' ? '\0' + _notify[1..] : _notify));
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            // It is gone, or was never there: the service runs all the same.
        }
    }

    private static string? Take(string variable)
    {
        var value = Environment.GetEnvironmentVariable(variable);
        Environment.SetEnvironmentVariable(variable, null);
        return value;
    }

    [LibraryImport("libc")]
    private static partial int fcntl(int descriptor, int command, int argument);
}
