using Adit.Ssh.Connection;

namespace Adit.Cli.Multiplexing;

/// <summary>-W of a passenger in the master: carries its standard input to a connection from the server and what comes from there to its standard output, until that ends.</summary>
internal sealed class MuxCarrier(SshStream far, PassedDescriptor input, PassedDescriptor output)
{
    private const int BufferSize = 64 * 1024;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await using var stream = far;
        using var target = output;
        var sending = SendAsync();
        var buffer = new byte[BufferSize];
        try
        {
            while (await far.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is var count and > 0
                && await output.WriteAsync(buffer.AsMemory(0, count)).ConfigureAwait(false))
            {
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The connection, or the passenger, is gone.
        }

        input.Dispose();
        await sending.ConfigureAwait(false);
    }

    private async Task SendAsync()
    {
        var buffer = new byte[BufferSize];
        try
        {
            while (await input.ReadAsync(buffer).ConfigureAwait(false) is var count and > 0)
            {
                await far.WriteAsync(buffer.AsMemory(0, count)).ConfigureAwait(false);
            }

            await far.CompleteWritesAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The far end takes no more.
        }
    }
}
