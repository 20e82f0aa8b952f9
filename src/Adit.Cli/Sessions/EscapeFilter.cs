namespace Adit.Cli.Sessions;

/// <summary>Finds escape characters in what is typed: one at the beginning of a line, then the letter of a command. Typed twice it is sent once, and before anything that is no command it
/// is sent as it is. Where the input is cut into pieces makes no difference.</summary>
internal sealed class EscapeFilter(byte escape)
{
    /// <summary>Control-Z.</summary>
    public const byte Suspend = 0x1a;

    private static ReadOnlySpan<byte> Commands => ".\u001aBCIRVv#&?"u8;

    private bool _atLineStart = true;
    private bool _pending;

    /// <summary>The character itself.</summary>
    public byte Escape => escape;

    /// <summary>Takes input up to the next command, or all of it, and returns how much that was.</summary>
    /// <param name="input">What was typed.</param>
    /// <param name="output">What is to be sent of it; needs room for one byte more than the input has.</param>
    /// <param name="written">How much that is.</param>
    /// <param name="command">The command that comes after it; null for none.</param>
    public int Filter(ReadOnlySpan<byte> input, Span<byte> output, out int written, out byte? command)
    {
        written = 0;
        command = null;
        for (var i = 0; i < input.Length; i++)
        {
            var typed = input[i];
            if (_pending)
            {
                _pending = false;
                if (typed != escape && Commands.Contains(typed))
                {
                    command = typed;
                    return i + 1;
                }

                if (typed != escape)
                {
                    output[written++] = escape;
                }
            }
            else if (_atLineStart && typed == escape)
            {
                _pending = true;
                continue;
            }

            _atLineStart = typed is (byte)'\r' or (byte)'\n';
            output[written++] = typed;
        }

        return input.Length;
    }
}
