using System.Text;
using Adit.Cli.Background;
using Adit.Cli.Multiplexing;

namespace Adit.Cli.Tests.Multiplexing;

/// <summary>Descriptors over a Unix socket.</summary>
public sealed class DescriptorPassingTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task A_descriptor_comes_out_between_packets_as_another_number_for_the_same_file()
    {
        using var pair = new ControlPair();
        using var other = new MuxConnection(pair.Raw);
        var path = Path.GetTempFileName();
        try
        {
            using (var file = File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite))
            {
                await other.SendAsync(MuxType.NewSession, 1, 2);
                DescriptorPassing.Send(pair.Raw, (int)file.DangerousGetHandle());
                await other.SendAsync(MuxType.AliveCheck, 3);
            }

            Assert.Equal(12, (await pair.Connection.ReceiveAsync().WaitAsync(Deadline))!.Length);
            using var received = await DescriptorPassing.ReceiveAsync(pair.Connection.Socket, CancellationToken.None).WaitAsync(Deadline);
            Assert.NotNull(received);
            Assert.Equal(8, (await pair.Connection.ReceiveAsync().WaitAsync(Deadline))!.Length);
            Assert.True(await received.WriteAsync(Encoding.UTF8.GetBytes("through the other one")).WaitAsync(Deadline));
            Assert.Equal("through the other one", await File.ReadAllTextAsync(path));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task A_byte_without_a_descriptor_and_an_end_give_none()
    {
        using var pair = new ControlPair();
        await pair.Raw.SendAsync(new byte[1]);
        Assert.Null(await DescriptorPassing.ReceiveAsync(pair.Connection.Socket, CancellationToken.None).WaitAsync(Deadline));
        pair.Raw.Dispose();
        Assert.Null(await DescriptorPassing.ReceiveAsync(pair.Connection.Socket, CancellationToken.None).WaitAsync(Deadline));
    }

    [Fact]
    public void The_other_end_is_this_user()
    {
        using var pair = new ControlPair();
        Assert.Equal(DescriptorPassing.UserId(), DescriptorPassing.PeerUserId(pair.Raw));
    }

    [Fact]
    public async Task Disposing_ends_a_read_that_waits()
    {
        using var pair = new ControlPair();
        var waiting = new PassedDescriptor(PosixProcess.Duplicate((int)pair.Raw.Handle));
        var read = waiting.ReadAsync(new byte[10]);
        Assert.False(read.IsCompleted);
        waiting.Dispose();
        Assert.Equal(0, await read.WaitAsync(Deadline));
        Assert.Equal(0, await waiting.ReadAsync(new byte[10]).WaitAsync(Deadline));
        Assert.False(await waiting.WriteAsync(new byte[10]).WaitAsync(Deadline));
    }

    [Fact]
    public async Task Disposing_ends_a_write_that_nobody_reads()
    {
        using var pair = new ControlPair();
        var waiting = new PassedDescriptor(PosixProcess.Duplicate((int)pair.Raw.Handle));
        pair.Raw.SendBufferSize = 4096;
        var write = waiting.WriteAsync(new byte[4 * 1024 * 1024]);
        await Task.WhenAny(write, Task.Delay(100)); // time to fill the buffers: whether it did changes nothing
        waiting.Dispose();
        Assert.False(await write.WaitAsync(Deadline));
    }
}
