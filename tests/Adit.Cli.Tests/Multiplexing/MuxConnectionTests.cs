using System.Buffers.Binary;
using Adit.Cli.Multiplexing;
using Adit.Ssh;

namespace Adit.Cli.Tests.Multiplexing;

/// <summary>Packets between a master and a client.</summary>
public sealed class MuxConnectionTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Packets_arrive_byte_by_byte_and_nothing_beyond_them_is_read()
    {
        using var pair = new ControlPair();
        byte[] sent = [0, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0, 4, 9, 8, 7, 6];
        var first = pair.Connection.ReceiveAsync();
        foreach (var one in sent)
        {
            await pair.Raw.SendAsync(new[] { one });
        }

        Assert.Equal(new byte[] { 1, 2, 3, 4, 5 }, await first.WaitAsync(Deadline));
        Assert.Equal(8, pair.Connection.Socket.Available);
        Assert.Equal(new byte[] { 9, 8, 7, 6 }, await pair.Connection.ReceiveAsync().WaitAsync(Deadline));
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(3u)]
    [InlineData((256u * 1024) + 1)]
    [InlineData(0x7fffffffu)]
    [InlineData(0xffffffffu)]
    public async Task A_length_out_of_bounds_is_refused_before_anything_is_allocated(uint length)
    {
        using var pair = new ControlPair();
        var header = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(header, length);
        await pair.Raw.SendAsync(header);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var error = await Assert.ThrowsAsync<SshException>(() => pair.Connection.ReceiveAsync().WaitAsync(Deadline));
        Assert.Equal(SshError.ProtocolError, error.Error);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 256 * 1024);
    }

    [Fact]
    public async Task The_longest_packet_passes()
    {
        using var pair = new ControlPair();
        using var other = new MuxConnection(pair.Raw);
        var packet = new byte[MuxProtocol.MaxPacket];
        new Random(7).NextBytes(packet);
        var sending = other.SendAsync(packet);
        Assert.Equal(packet, await pair.Connection.ReceiveAsync().WaitAsync(Deadline));
        Assert.True(await sending);
    }

    [Fact]
    public async Task A_packet_cut_short_is_the_end()
    {
        using var pair = new ControlPair();
        await pair.Raw.SendAsync(new byte[] { 0, 0, 0, 9, 1, 2 });
        pair.Raw.Dispose();
        Assert.Null(await pair.Connection.ReceiveAsync().WaitAsync(Deadline));
    }

    [Fact]
    public async Task Both_ends_greet_and_say_that_they_tell_about_the_connection()
    {
        using var pair = new ControlPair();
        var greeting = pair.Connection.GreetAsync(CancellationToken.None);
        byte[] hello = [0, 0, 0, 21, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 4, (byte)'i', (byte)'n', (byte)'f', (byte)'o', 0, 0, 0, 1, (byte)'0'];
        await pair.Raw.SendAsync(hello);
        Assert.True(await greeting.WaitAsync(Deadline));
        Assert.True(pair.Connection.KnowsInformation);
        var said = new byte[32];
        Assert.Equal(hello, said[..await pair.Raw.ReceiveAsync(said)]);
    }

    [Theory]
    [InlineData(1, 3)]
    [InlineData(1, 5)]
    [InlineData(2, 4)]
    public async Task Another_version_or_another_message_is_no_greeting(byte type, byte version)
    {
        using var pair = new ControlPair();
        await pair.Raw.SendAsync(new byte[] { 0, 0, 0, 8, 0, 0, 0, type, 0, 0, 0, version });
        await Assert.ThrowsAsync<SshException>(() => pair.Connection.GreetAsync(CancellationToken.None).WaitAsync(Deadline));
    }
}
