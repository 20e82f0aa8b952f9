using Adit.Cli.CommandLine;
using Adit.Ssh;

namespace Adit.Cli.Sessions;

/// <summary>The descriptors of a session: this process's own, or those that another process handed over.</summary>
/// <param name="Input">Where input comes from; -1 for none at all.</param>
/// <param name="Output">Where output goes.</param>
/// <param name="Error">Where error output goes.</param>
internal readonly record struct SessionDescriptors(int Input, int Output, int Error)
{
    public static SessionDescriptors Standard { get; } = new(Descriptor.StandardInput, Descriptor.StandardOutput, Descriptor.StandardError);
}

/// <summary>Carries one session whose program was started: three streams between it and three descriptors, each ending by itself. Nothing is read from the program that was not
/// written here, but for what its buffers hold. The descriptors stay open.</summary>
/// <param name="session">Its program runs.</param>
/// <param name="descriptors">Near ends.</param>
/// <param name="escapes">Looks for escape characters in the input; null for none.</param>
internal sealed class SessionRunner(SshSession session, SessionDescriptors descriptors, EscapeReader? escapes = null)
{
    private const int BufferSize = 128 * 1024;

    /// <summary>Says when what was typed may be sent; null for at once.</summary>
    public KeystrokePacer? Pacer { get; init; }

    /// <summary>Holds output back while it is closed; null for never.</summary>
    public OutputGate? Gate { get; init; }

    /// <summary>Hears what reads the input, and null when it does not any more.</summary>
    public Action<DescriptorReader?>? Reading { get; init; }

    /// <summary>Returns how the program ended, once all its output was written. Throws the connection's <see cref="SshException"/> when that dies first.</summary>
    /// <param name="cancellationToken">Gives the session up: throws <see cref="OperationCanceledException"/> at once, even while a write waits for a reader.</param>
    public async Task<SessionExit> RunAsync(CancellationToken cancellationToken)
    {
        using var reader = descriptors.Input < 0 ? null : new DescriptorReader(descriptors.Input);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var stopped = cancellationToken.UnsafeRegister(static reader => ((DescriptorReader?)reader)?.Stop(), reader);
        Reading?.Invoke(reader);
        var sending = SendAsync(reader, over.Token);
        var unwanted = StopWhenUnwantedAsync(reader, over.Token);
        try
        {
            var receiving = Task.WhenAll(
                ReceiveAsync(session.Output, descriptors.Output, session.RefuseOutput, cancellationToken),
                ReceiveAsync(session.Error, descriptors.Error, null, cancellationToken));
            await receiving.WaitAsync(cancellationToken).ConfigureAwait(false);
            return await session.Completion.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Reading?.Invoke(null);
            // A server whose program runs on, or that is unreachable, never answers our closing: nothing here may wait for it.
            await over.CancelAsync().ConfigureAwait(false);
            reader?.Stop();
            await session.DisposeAsync().ConfigureAwait(false);
            await sending.ConfigureAwait(false);
            await unwanted.ConfigureAwait(false);
        }
    }

    /// <summary>The program closed its input: what is typed or piped from now on is not for it.</summary>
    private async Task StopWhenUnwantedAsync(DescriptorReader? reader, CancellationToken cancellationToken)
    {
        var over = Task.Delay(Timeout.Infinite, cancellationToken);
        await Task.WhenAny(session.InputUnwanted, session.Completion, over).ConfigureAwait(false);
        reader?.Stop();
    }

    private async Task SendAsync(DescriptorReader? reader, CancellationToken cancellationToken)
    {
        var buffer = new byte[reader is null ? 0 : BufferSize];
        try
        {
            while (reader is not null && await reader.ReadAsync(buffer).ConfigureAwait(false) is var count and > 0)
            {
                if (Pacer is not null)
                {
                    await Pacer.WaitAsync(count, cancellationToken).ConfigureAwait(false);
                }

                if (escapes is null)
                {
                    await session.Input.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                }
                else if (!await escapes.SendAsync(session, buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false))
                {
                    return;
                }
            }

            session.CompleteInput();
        }
        catch (Exception e) when (e is SshException or OperationCanceledException)
        {
            // The program takes no more, or all is over. What it still says is the other streams' business.
        }
    }

    private async Task ReceiveAsync(Stream source, int descriptor, Action? refuse, CancellationToken cancellationToken)
    {
        using var output = new DescriptorWriter(descriptor);
        var buffer = new byte[4096];
        while (await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is var count and > 0)
        {
            if (Gate is not null)
            {
                await Gate.WaitAsync(cancellationToken).ConfigureAwait(false);
            }

            if (!await output.WriteAsync(buffer.AsMemory(0, count)).ConfigureAwait(false))
            {
                await RefuseAsync(source, refuse, cancellationToken).ConfigureAwait(false);
                return;
            }

            if (count == buffer.Length && count < BufferSize)
            {
                buffer = new byte[BufferSize]; // there is more than a person types for
            }
        }
    }

    /// <summary>Nobody reads here any more. The program goes on, unless it minds.</summary>
    private static async Task RefuseAsync(Stream source, Action? refuse, CancellationToken cancellationToken)
    {
        if (refuse is not null)
        {
            refuse();
            return;
        }

        var rest = new byte[4096];
        while (await source.ReadAsync(rest, cancellationToken).ConfigureAwait(false) > 0)
        {
            // dropped
        }
    }
}
