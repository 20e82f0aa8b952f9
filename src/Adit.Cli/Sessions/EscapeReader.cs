using Adit.Ssh;

namespace Adit.Cli.Sessions;

/// <summary>What escape commands do.</summary>
internal interface IEscapeCommands
{
    /// <summary>Does it. False when no more input is to be read: the session is being ended.</summary>
    ValueTask<bool> RunAsync(SshSession session, byte command, CancellationToken cancellationToken);
}

/// <summary>Sends what is typed and has escape commands done, in the order in which they were typed.</summary>
internal sealed class EscapeReader(byte escape, IEscapeCommands commands)
{
    private readonly EscapeFilter _filter = new(escape);

    /// <summary>False when nothing more is to be read.</summary>
    public async ValueTask<bool> SendAsync(SshSession session, ReadOnlyMemory<byte> typed, CancellationToken cancellationToken)
    {
        var output = new byte[typed.Length + 1];
        while (!typed.IsEmpty)
        {
            typed = typed[_filter.Filter(typed.Span, output, out var written, out var command)..];
            if (written > 0)
            {
                await session.Input.WriteAsync(output.AsMemory(0, written), cancellationToken).ConfigureAwait(false);
            }

            if (command is { } one && !await commands.RunAsync(session, one, cancellationToken).ConfigureAwait(false))
            {
                return false;
            }
        }

        return true;
    }
}
