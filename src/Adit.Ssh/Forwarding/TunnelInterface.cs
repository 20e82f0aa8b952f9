using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Adit.Ssh.Transport;
using Microsoft.Win32.SafeHandles;

namespace Adit.Ssh.Forwarding;

/// <summary>A network interface of this machine whose packets this process has: tunN for packets of the network layer, tapN for Ethernet frames (Linux, /dev/net/tun). As with OpenSSH
/// it is neither given addresses nor brought up: that is what ip(8) is for.</summary>
public sealed unsafe partial class TunnelInterface : IDisposable
{
    /// <summary>What interfaces are had from.</summary>
    internal const string Control = "/dev/net/tun";

    /// <summary>How it is opened: O_RDWR, O_NONBLOCK, O_CLOEXEC.</summary>
    internal const int Flags = 0x80802;

    /// <summary>TUNSETIFF, the ioctl that makes an interface of it, or takes one that is there.</summary>
    internal const nuint SetInterface = 0x400454ca;

    private const int RequestSize = 40, NameSize = 16; // struct ifreq
    private const short Tun = 1, Tap = 2, NoHeader = 0x1000;
    private const int NotPermitted = 1, NoEntry = 2, NoDevice = 19, NoSuchAddress = 6, AccessDenied = 13, Busy = 16, InvalidArgument = 22;

    private TunnelInterface(SafeFileHandle handle, string name, TunnelMode mode) => (Handle, Name, Mode) = (handle, name, mode);

    /// <summary>What ip(8) calls it.</summary>
    public string Name { get; }

    /// <summary>What it carries.</summary>
    public TunnelMode Mode { get; }

    internal SafeFileHandle Handle { get; }

    /// <summary>Opens one. One that is not there is made, and goes when it is closed.</summary>
    /// <param name="mode">What it is to carry.</param>
    /// <param name="unit">The N in its name; negative for one that is free.</param>
    /// <exception cref="SshException"><see cref="SshError.ForwardFailed"/>, with the reason and what can be done.</exception>
    public static TunnelInterface Open(TunnelMode mode, int unit = -1)
    {
        ThrowIfImpossible(mode);
        var handle = new SafeFileHandle(open(Control, Flags), ownsHandle: true);
        if (handle.IsInvalid)
            throw Failed(mode, unit, Marshal.GetLastPInvokeError(), isOpen: false);
        var request = Request(mode, unit);
        fixed (byte* start = request)
        {
            if (ioctl(handle, SetInterface, start) < 0)
            {
                int error = Marshal.GetLastPInvokeError();
                handle.Dispose();
                throw Failed(mode, unit, error, isOpen: true);
            }
        }
        return Opened(handle, request, mode);
    }

    /// <summary>Throws as <see cref="Open"/> where there are none.</summary>
    internal static void ThrowIfImpossible(TunnelMode mode)
    {
        if (mode is not (TunnelMode.PointToPoint or TunnelMode.Ethernet))
            throw new ArgumentOutOfRangeException(nameof(mode));
        if (!SocketPoller.IsSupported)
            throw new SshException(SshError.ForwardFailed, "tunnel devices are built for Linux on x64 and arm64 only") { Hint = "Port forwarding (-L, -R, -D) works on this system." };
    }

    /// <summary>What <see cref="SetInterface"/> is asked with.</summary>
    internal static byte[] Request(TunnelMode mode, int unit)
    {
        var request = new byte[RequestSize];
        if (NameOf(mode, unit) is { } name)
            Encoding.ASCII.GetBytes(name, request.AsSpan(0, NameSize - 1));
        BinaryPrimitives.WriteInt16LittleEndian(request.AsSpan(NameSize), (short)((mode == TunnelMode.Ethernet ? Tap : Tun) | NoHeader));
        return request;
    }

    /// <summary>The interface behind a control device.</summary>
    /// <param name="handle">Opened with <see cref="Flags"/>.</param>
    /// <param name="request">What <see cref="SetInterface"/> made of the request.</param>
    /// <param name="mode">As it was asked for.</param>
    internal static TunnelInterface Opened(SafeFileHandle handle, ReadOnlySpan<byte> request, TunnelMode mode)
    {
        var name = request[..NameSize];
        int end = name.IndexOf((byte)0);
        return new TunnelInterface(handle, Encoding.ASCII.GetString(end < 0 ? name : name[..end]), mode);
    }

    /// <summary>Why there is none, and what can be done.</summary>
    /// <param name="mode">As it was asked for.</param>
    /// <param name="unit">The same.</param>
    /// <param name="error">The system's number.</param>
    /// <param name="isOpen">The control device could be opened.</param>
    internal static SshException Failed(TunnelMode mode, int unit, int error, bool isOpen)
    {
        string? name = NameOf(mode, unit);
        string what = isOpen ? $"failed to configure tunnel (mode {TunnelFrames.Number(mode)})" : $"failed to open tunnel control device \"{Control}\"";
        return new SshException(SshError.ForwardFailed, $"{what}: {Marshal.GetPInvokeErrorMessage(error)}")
        {
            Hint = error switch
            {
                NotPermitted or AccessDenied => $"Tunnel devices are for root (CAP_NET_ADMIN). For another user root makes one that lasts: ip tuntap add dev {name ?? Kind(mode) + "0"} mode {Kind(mode)} user NAME; "
                    + $"then ask for it by its number.{(isOpen ? "" : $" And {Control} must be theirs to open (chmod 666, as most systems have it).")}",
                NoEntry or NoDevice or NoSuchAddress => "The kernel has no tunnel devices: modprobe tun loads them (in a container, whoever runs that must give it /dev/net/tun).",
                Busy => $"{name ?? "The device"} is in use by another program. \"any\" takes one that is free.",
                InvalidArgument => $"{name ?? "The interface"} exists and is of another kind, or the name is too long. \"any\" takes one that is free.",
                _ => null,
            },
        };
    }

    /// <summary>Closes it; what this made goes.</summary>
    public void Dispose() => Handle.Dispose();

    /// <summary>Reads one packet. 0 where none is there, -1 where none will come any more.</summary>
    internal int Read(Span<byte> packet) => Transfer(packet, isRead: true);

    /// <summary>Hands one packet to the kernel, which may drop it, as every network. False where the interface is gone.</summary>
    internal bool Write(ReadOnlySpan<byte> packet) => Transfer(MemoryMarshal.CreateSpan(ref MemoryMarshal.GetReference(packet), packet.Length), isRead: false) >= 0;

    private int Transfer(Span<byte> packet, bool isRead)
    {
        const int badState = 77, badDescriptor = 9, noDevice = 19;
        try
        {
            fixed (byte* start = packet)
            {
                nint count = isRead ? read(Handle, start, (nuint)packet.Length) : write(Handle, start, (nuint)packet.Length);
                if (count > 0)
                    return (int)count;
                int error = count < 0 ? Marshal.GetLastPInvokeError() : 0;
                return error is badState or badDescriptor or noDevice ? -1 : 0; // others (interface down, bad packet, no memory) cost this packet alone
            }
        }
        catch (ObjectDisposedException)
        {
            return -1;
        }
    }

    private static string Kind(TunnelMode mode) => mode == TunnelMode.Ethernet ? "tap" : "tun";

    /// <summary>Null for any.</summary>
    private static string? NameOf(TunnelMode mode, int unit) => unit < 0 ? null : string.Create(CultureInfo.InvariantCulture, $"{Kind(mode)}{unit}");

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ioctl(SafeFileHandle descriptor, nuint request, byte* argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(SafeFileHandle descriptor, byte* buffer, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(SafeFileHandle descriptor, byte* buffer, nuint length);
}
