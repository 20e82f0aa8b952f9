using Adit.Ssh.Transport;

namespace Adit.Ssh.Connection;

/// <summary>Sends bytes that lie elsewhere: copies them into packets, and waits for room where there is none. Whoever can receive straight into a packet takes
/// <see cref="SshChannel.SendData"/>. One sender at a time, for both kinds together.</summary>
internal static class ChannelSending
{
    /// <summary>What the header of extended data takes more than that of data.</summary>
    private const int LongerHeader = PacketBuffer.ExtendedDataHeaderLength - PacketBuffer.DataHeaderLength;

    /// <summary>Sends data. False when the channel takes no more. Throws <see cref="OperationCanceledException"/>.</summary>
    public static ValueTask<bool> SendAsync(this SshChannel channel, ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default) =>
        SendAsync(channel, null, data, cancellationToken);

    /// <summary>Sends extended data, which counts against the same window. False when the channel takes no more. Throws <see cref="OperationCanceledException"/>.</summary>
    public static ValueTask<bool> SendExtendedAsync(this SshChannel channel, uint code, ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default) =>
        SendAsync(channel, code, data, cancellationToken);

    private static async ValueTask<bool> SendAsync(SshChannel channel, uint? extendedCode, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        while (!data.IsEmpty)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int maximum = extendedCode is null ? channel.MaxData : channel.MaxData - LongerHeader;
            int count = Math.Min(Math.Min(channel.SendAllowance, maximum), data.Length);
            if (count < 0)
                return false;
            if (count == 0)
            {
                await channel.WaitToSendAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }
            if (!(extendedCode is { } code ? SendExtended(channel, code, data.Span[..count]) : Send(channel, data.Span[..count])))
                return false;
            data = data[count..];
        }
        return true;
    }

    private static bool Send(SshChannel channel, ReadOnlySpan<byte> data)
    {
        var packet = channel.Rent(data.Length);
        data.CopyTo(packet.DataArea(data.Length).Span);
        return channel.SendData(packet, data.Length, flush: true);
    }

    private static bool SendExtended(SshChannel channel, uint code, ReadOnlySpan<byte> data)
    {
        var packet = channel.Rent(LongerHeader + data.Length);
        data.CopyTo(packet.ExtendedDataArea(data.Length).Span);
        return channel.SendExtendedData(packet, code, data.Length);
    }
}
