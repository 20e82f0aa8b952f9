using Adit.Cli.CommandLine;
using Adit.Ssh;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;

namespace Adit.Cli.Client;

/// <summary>-W: carries standard input to a connection from the server and what comes from there to standard output. The end of the input is passed on and the
/// output goes on; the end of the output is the end of it all.</summary>
internal sealed class StandardIoForward : IAsyncDisposable
{
    private const int BufferSize = 128 * 1024;

    private readonly SshStream _far;

    private StandardIoForward(SshStream far) => _far = far;

    public static async Task<StandardIoForward> OpenAsync(SshClient client, ForwardAddress destination, CancellationToken cancellationToken)
    {
        try
        {
            return new StandardIoForward(await client.OpenAsync(destination, cancellationToken).ConfigureAwait(false));
        }
        catch (SshException e) when (e.Error == SshError.ChannelOpenFailed)
        {
            throw JumpChain.Refused(e);
        }
    }

    /// <summary>Returns the exit code: 0 when the far end has sent all it had and all of it was written.</summary>
    public async Task<int> RunAsync()
    {
        // Nobody waits for this one: a read of standard input ends when there is input, or with the process.
        _ = SendAsync();
        var buffer = new byte[BufferSize];
        using var output = new DescriptorWorker(Descriptor.StandardOutput);
        while (await _far.ReadAsync(buffer).ConfigureAwait(false) is var count and > 0)
        {
            if (!await output.WriteAsync(buffer.AsMemory(0, count)).ConfigureAwait(false))
            {
                return ExitCode.Ssh; // nobody reads
            }
        }

        return ExitCode.Success;
    }

    public ValueTask DisposeAsync() => _far.DisposeAsync();

    private async Task SendAsync()
    {
        using var input = new DescriptorWorker(Descriptor.StandardInput);
        var buffer = new byte[BufferSize];
        try
        {
            while (await input.ReadAsync(buffer).ConfigureAwait(false) is var count and > 0)
            {
                await _far.WriteAsync(buffer.AsMemory(0, count)).ConfigureAwait(false);
            }

            await _far.CompleteWritesAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The far end takes no more. What it still sends is the other direction's business.
        }
    }
}
