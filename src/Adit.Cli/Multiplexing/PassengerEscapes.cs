namespace Adit.Cli.Multiplexing;

/// <summary>What a passenger's escape asked for.</summary>
internal enum PassengerEscape
{
    None,
    /// <summary>~. ends the session.</summary>
    End,
    /// <summary>~B sends a break.</summary>
    Break,
    /// <summary>~? lists what there is.</summary>
    Help,
    /// <summary>One that only a session of the master's own has.</summary>
    Unavailable,
}

/// <summary>Finds escapes in what a passenger types: the escape character after the start of a line, and one more.</summary>
internal sealed class PassengerEscapes(char escape)
{
    private bool _atLineStart = true;
    private bool _isPending;

    /// <summary>The character of the last escape that was found.</summary>
    public char Last { get; private set; }

    /// <summary>Takes bytes up to an escape or to their end; what is to be sent is put into <paramref name="sent"/>, which has room for one byte more than there are.</summary>
    /// <param name="typed">What was typed.</param>
    /// <param name="sent">What goes to the program.</param>
    /// <param name="taken">How many bytes were looked at.</param>
    /// <param name="count">How many are to be sent.</param>
    public PassengerEscape Filter(ReadOnlySpan<byte> typed, Span<byte> sent, out int taken, out int count)
    {
        count = 0;
        for (taken = 0; taken < typed.Length;)
        {
            var one = typed[taken++];
            if (_isPending)
            {
                _isPending = false;
                Last = (char)one;
                var found = Last switch
                {
                    '.' => PassengerEscape.End,
                    'B' => PassengerEscape.Break,
                    '?' => PassengerEscape.Help,
                    'C' or 'R' or 'V' or 'v' or '#' or '&' or 'I' or (char)26 => PassengerEscape.Unavailable,
                    _ => PassengerEscape.None,
                };
                if (found != PassengerEscape.None)
                {
                    _atLineStart = true;
                    return found;
                }

                // None after all: the escape character was meant, unless it was typed twice to say so.
                if (one != escape)
                {
                    sent[count++] = (byte)escape;
                }
            }
            else if (_atLineStart && one == escape)
            {
                _isPending = true;
                continue;
            }

            _atLineStart = one is (byte)'\r' or (byte)'\n';
            sent[count++] = one;
        }

        return PassengerEscape.None;
    }

    /// <summary>For ~?.</summary>
    public string HelpText =>
        $"{escape}?\r\nSupported escape sequences:\r\n"
        + $" {escape}.   - terminate session\r\n"
        + $" {escape}B   - send a BREAK to the remote system\r\n"
        + $" {escape}?   - this message\r\n"
        + $" {escape}{escape}   - send the escape character by typing it twice\r\n"
        + "(Note that escapes are only recognized immediately after newline.)\r\n";
}
