using System.Runtime.InteropServices;
using Adit.Ssh;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Processes;

/// <summary>A pair of Unix sockets that keep messages apart and take descriptors along (SOCK_SEQPACKET).</summary>
internal static unsafe partial class DescriptorSocket
{
    /// <summary>A message is no longer than this: one that nobody has read yet fits into the socket then, and sending never waits.</summary>
    public const int MaxLength = 128 * 1024;

    /// <summary>What a message takes along.</summary>
    public const int MostDescriptors = 8;

    private const int Unix = 1, Packets = 5;

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
        Span<int> numbers = stackalloc int[MostDescriptors];
        for (var i = 0; i < descriptors.Length; i++)
        {
            numbers[i] = (int)descriptors[i].DangerousGetHandle();
        }

        return DescriptorMessages.Send(socket, data, numbers[..descriptors.Length], waits: false);
    }

    /// <summary>Waits for one message. Its length; 0 at the end, and where it cannot be had whole.</summary>
    /// <param name="socket">One end.</param>
    /// <param name="buffer">Room for <see cref="MaxLength"/>.</param>
    /// <param name="descriptors">What came with it, for the caller to dispose of.</param>
    public static int Receive(SafeFileHandle socket, Span<byte> buffer, out IReadOnlyList<SafeFileHandle> descriptors)
    {
        var message = DescriptorMessages.Receive(socket, buffer, MostDescriptors, waits: true);
        descriptors = [.. message.Descriptors.Select(number => ProcessCalls.Own(number, ProgramSpawn.FirstFree))];
        return message.IsWhole ? message.Length : 0;
    }

    /// <summary>Behind what is in it already, readers of this end find the end, and senders at the other an error.</summary>
    public static void StopReading(SafeFileHandle socket) => _ = shutdown(socket, 0);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int shutdown(SafeFileHandle socket, int how);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socketpair(int domain, int type, int protocol, int* ends);
}
