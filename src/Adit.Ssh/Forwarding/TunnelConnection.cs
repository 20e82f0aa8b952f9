using System.Net.Sockets;
using Adit.Ssh.Connection;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Forwarding;

/// <summary>A tunnel device on this side, a channel to the other. Packets keep their bounds. What does not fit, into the peer's window or the device's queue, is dropped, as in any
/// network: nothing waits for a device. It knows no role.</summary>
internal sealed class TunnelConnection(TunnelInterface device) : IChannelSink
{
    [ThreadStatic]
    private static byte[]? _scratch;

    private readonly SocketReadiness _readiness = new(device.Handle);
    private SshChannel? _channel;
    private volatile bool _isOver;
    private int _taken;

    public TunnelInterface Device => device;

    /// <summary>Asks the peer for its end. Throws as <see cref="SshConnection.OpenAsync"/>, with the device closed.</summary>
    /// <param name="connection">Where.</param>
    /// <param name="device">This side's.</param>
    /// <param name="remoteUnit">The number of the peer's; negative for any.</param>
    /// <param name="check">Throws where there may be none.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<TunnelConnection> OpenAsync(SshConnection connection, TunnelInterface device, int remoteUnit, Action check, CancellationToken cancellationToken)
    {
        var tunnel = new TunnelConnection(device);
        try
        {
            check();
            await connection.OpenAsync(TunnelFrames.ChannelType, TunnelFrames.OpenData(device.Mode, remoteUnit), tunnel, cancellationToken).ConfigureAwait(false);
            return tunnel;
        }
        catch
        {
            await tunnel.AbandonAsync().ConfigureAwait(false);
            throw;
        }
    }

    public void OnOpened(SshChannel channel) => _channel = channel;

    public void OnData(ReadOnlyMemory<byte> data)
    {
        _taken += data.Length;
        var packet = TunnelFrames.Packet(device.Mode, data.Span);
        if (!packet.IsEmpty && !device.Write(packet))
            Stop();
    }

    public void OnBatchEnd()
    {
        int taken = _taken;
        _taken = 0;
        _channel!.Credit(taken);
    }

    public void OnEof() => Stop();

    public void OnClosed(SshException? reason) => Stop();

    /// <summary>Closes the device of a channel that was not opened.</summary>
    public Task AbandonAsync() => DeviceCloser.CloseAsync(_readiness);

    /// <summary>Carries packets until the channel or the device ends; call once the channel is open.</summary>
    public async Task RunAsync()
    {
        var channel = _channel ?? throw new InvalidOperationException("the channel is not open");
        int streak = ThreadTurn.Borrowed;
        try
        {
            // OpenSSH counts four bytes more for each packet, and grants them again. Through a proxy nobody knows who counts: then as OpenSSH's client, which does not.
            int overhead = channel.Connection.Transport.Quirks.IsOpenSsh ? 4 : 0;
            while (true)
            {
                int allowance = channel.SendAllowance;
                if (allowance < 0 || _isOver)
                    break;
                if (allowance == 0)
                {
                    await channel.WaitToSendAsync().ConfigureAwait(false);
                    streak = 0;
                    continue;
                }
                int count = Forward(channel, overhead);
                if (count < 0)
                    break;
                if (count == 0)
                {
                    await _readiness.WaitReadableAsync().ConfigureAwait(false);
                    streak = 0;
                }
                else if (ThreadTurn.IsOver(ref streak))
                {
                    await ThreadTurn.NextAsync();
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Closed under us, or the kernel has no room to watch it.
        }
        finally
        {
            channel.Close();
            await DeviceCloser.CloseAsync(_readiness).ConfigureAwait(false);
        }
    }

    /// <summary>Ends the pump, which has the device closed: that takes the kernel some time, and this may be the receive loop.</summary>
    private void Stop()
    {
        _isOver = true;
        _readiness.WakeReader();
        _channel?.Close();
    }

    /// <summary>One packet, if there is one. As <see cref="TunnelInterface.Read"/>.</summary>
    private int Forward(SshChannel channel, int overhead)
    {
        var scratch = _scratch ??= new byte[TunnelFrames.FamilyLength + TunnelFrames.LargestPacket];
        int count = device.Read(scratch.AsSpan(TunnelFrames.FamilyLength));
        if (count <= 0)
            return count;
        int front = device.Mode == TunnelMode.Ethernet ? 0 : TunnelFrames.FamilyLength;
        if (front > 0)
            TunnelFrames.WriteFamily(scratch);
        int length = front + count;
        if (length + overhead > channel.MaxData)
            return count;
        var packet = channel.Rent(length);
        scratch.AsSpan(TunnelFrames.FamilyLength - front, length).CopyTo(packet.DataArea(length).Span);
        channel.SendDatagram(packet, length, overhead);
        return count;
    }
}
