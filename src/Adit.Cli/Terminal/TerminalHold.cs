using Adit.Cli.CommandLine;

namespace Adit.Cli.Terminal;

/// <summary>The terminal that a session is shown on, for whoever has to ask something meanwhile: as long as it is taken, keys are not the session's and are shown as they are typed.</summary>
internal sealed class TerminalHold
{
    private readonly Lock _lock = new();
    private LocalTerminal? _terminal;
    private DescriptorReader? _keys;
    private int _taken;

    /// <summary>A session has the terminal from now on; null for none any more.</summary>
    /// <param name="terminal">Raw.</param>
    /// <param name="keys">What reads it.</param>
    public void Lend(LocalTerminal? terminal, DescriptorReader? keys)
    {
        lock (_lock)
        {
            (_terminal, _keys) = keys is null ? (null, null) : (terminal, keys);
        }
    }

    /// <summary>Takes it. True where a session has it, whose output is all over the screen. <see cref="GiveBack"/> follows, once.</summary>
    public bool Take()
    {
        lock (_lock)
        {
            if (_taken++ == 0 && _terminal is not null)
            {
                _keys?.Pause();
                _terminal.LeaveRaw();
            }

            return _terminal is not null;
        }
    }

    public void GiveBack()
    {
        lock (_lock)
        {
            if (--_taken == 0 && _terminal is not null)
            {
                _terminal.EnterRaw();
                _keys?.Resume();
            }
        }
    }
}
