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
    private const string Control = "/dev/net/tun";
    private const int Flags = 0x80802; // O_RDWR, O_NONBLOCK, O_CLOEXEC
    private const nuint SetInterface = 0x400454ca; // TUNSETIFF
    private const int RequestSize = 40, NameSize = 16;
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
        if (mode is not (TunnelMode.PointToPoint or TunnelMode.Ethernet))
            throw new ArgumentOutOfRangeException(nameof(mode));
        if (!SocketPoller.IsSupported)
            throw new SshException(SshError.ForwardFailed, "tunnel devices are built for Linux on x64 and arm64 only") { Hint = "Port forwarding (-L, -R, -D) works on this system." };
        var handle = new SafeFileHandle(open(Control, Flags), ownsHandle: true);
        if (handle.IsInvalid)
            throw Failed($"failed to open tunnel control device \"{Control}\"", Marshal.GetLastPInvokeError(), null);
        var request = stackalloc byte[RequestSize];
        var fields = new Span<byte>(request, RequestSize);
        fields.Clear();
        string kind = mode == TunnelMode.Ethernet ? "tap" : "tun";
        string? wanted = unit < 0 ? null : string.Create(CultureInfo.InvariantCulture, $"{kind}{unit}");
        if (wanted is not null)
            Encoding.ASCII.GetBytes(wanted, fields[..(NameSize - 1)]);
        BinaryPrimitives.WriteInt16LittleEndian(fields[NameSize..], (short)((mode == TunnelMode.Ethernet ? Tap : Tun) | NoHeader));
        if (ioctl(handle, SetInterface, request) < 0)
        {
            int error = Marshal.GetLastPInvokeError();
            handle.Dispose();
            throw Failed($"failed to configure tunnel (mode {TunnelFrames.Number(mode)})", error, wanted);
        }
        var name = fields[..NameSize];
        int end = name.IndexOf((byte)0);
        return new TunnelInterface(handle, Encoding.ASCII.GetString(end < 0 ? name : name[..end]), mode);
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

    private static SshException Failed(string what, int error, string? name) => new(SshError.ForwardFailed, $"{what}: {Marshal.GetPInvokeErrorMessage(error)}")
    {
        Hint = error switch
        {
            NotPermitted or AccessDenied => $"Tunnel devices are for root (CAP_NET_ADMIN). For another user root makes one that lasts: ip tuntap add dev {name ?? "tun0"} mode {(name ?? "tun")[..3]} user NAME; then ask for it by its number.",
            NoEntry or NoDevice or NoSuchAddress => "The kernel has no tunnel devices: modprobe tun loads them (in a container, whoever runs that must give it /dev/net/tun).",
            Busy => $"{name ?? "The device"} is in use by another program. \"any\" takes one that is free.",
            InvalidArgument => $"{name ?? "The interface"} exists and is of another kind, or the name is too long. \"any\" takes one that is free.",
            _ => null,
        },
    };

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ioctl(SafeFileHandle descriptor, nuint request, byte* argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(SafeFileHandle descriptor, byte* buffer, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(SafeFileHandle descriptor, byte* buffer, nuint length);
}
