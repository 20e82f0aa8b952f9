using System.IO.Pipes;
using Adit.Cli.CommandLine;

namespace Adit.Cli.Tests.CommandLine;

public sealed class DescriptorReaderTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    // A question on the terminal of a session takes what is typed until it is answered.
    [Fact]
    public async Task While_paused_what_comes_is_left_for_others()
    {
        await using var near = new AnonymousPipeServerStream(PipeDirection.Out);
        await using var far = new AnonymousPipeClientStream(PipeDirection.In, near.ClientSafePipeHandle);
        using var reader = new DescriptorReader((int)far.SafePipeHandle.DangerousGetHandle());
        var buffer = new byte[8];
        var waiting = reader.ReadAsync(buffer);
        await near.WriteAsync("a"u8.ToArray());
        Assert.Equal(1, await waiting.WaitAsync(Deadline));

        for (var round = 0; round < 3; round++)
        {
            waiting = reader.ReadAsync(buffer);
            reader.Pause();
            await near.WriteAsync("answer"u8.ToArray());
            var answer = new byte[16];
            Assert.Equal(6, await far.ReadAsync(answer).AsTask().WaitAsync(Deadline));
            Assert.False(waiting.IsCompleted);
            reader.Resume();
            await near.WriteAsync("b"u8.ToArray());
            Assert.Equal(1, await waiting.WaitAsync(Deadline));
            Assert.Equal((byte)'b', buffer[0]);
        }

        waiting = reader.ReadAsync(buffer);
        reader.Pause();
        reader.Stop();
        Assert.Equal(0, await waiting.WaitAsync(Deadline));
    }
}
