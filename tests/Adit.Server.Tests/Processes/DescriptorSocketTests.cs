using Adit.Server.Processes;

namespace Adit.Server.Tests.Processes;

public sealed class DescriptorSocketTests
{
    [Fact]
    public void A_message_brings_its_descriptors_and_the_end_is_seen()
    {
        var (reading, writing) = DescriptorSocket.CreatePair(5);
        using (reading)
        {
            var (pipeEnd, pipeStart) = ProgramLauncher.CreatePipe();
            using (writing)
            using (pipeStart)
            {
                Assert.Equal(0, DescriptorSocket.Send(writing, [1, 2, 3], [pipeStart, pipeStart]));
                Assert.Equal(0, DescriptorSocket.Send(writing, [4], []));
            }

            var buffer = new byte[DescriptorSocket.MaxLength];
            Assert.Equal(3, DescriptorSocket.Receive(reading, buffer, out var descriptors));
            Assert.Equal(2, descriptors.Count);
            Assert.Equal(1, ProcessCalls.Write(descriptors[1], [9], out _));
            Assert.Equal(1, ProcessCalls.Control(descriptors[0], 1, 0)); // F_GETFD: closed on exec
            foreach (var descriptor in descriptors)
            {
                descriptor.Dispose();
            }

            Assert.Equal(1, ProcessCalls.Read(pipeEnd, buffer, out _));
            Assert.Equal(0, ProcessCalls.Read(pipeEnd, buffer, out _)); // nobody has it any more
            pipeEnd.Dispose();
            Assert.Equal(1, DescriptorSocket.Receive(reading, buffer, out descriptors));
            Assert.Empty(descriptors);
            Assert.Equal(0, DescriptorSocket.Receive(reading, buffer, out _));
        }
    }

    // The server's threads may not wait for a helper that does not read.
    [Fact]
    public void A_socket_that_is_full_says_so_at_once()
    {
        var (reading, writing) = DescriptorSocket.CreatePair(5);
        using (reading)
        using (writing)
        {
            var message = new byte[DescriptorSocket.MaxLength];
            Assert.Equal(0, DescriptorSocket.Send(writing, message, []));
            var count = 0;
            int error;
            while ((error = DescriptorSocket.Send(writing, message, [])) == 0 && count < 1000)
            {
                count++;
            }

            Assert.Equal(ProcessCalls.TryAgain, error);
        }
    }
}
