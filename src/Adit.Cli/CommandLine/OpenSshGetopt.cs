namespace Adit.Cli.CommandLine;

/// <summary>Walks over arguments by the rules of BSD's getopt(3), which ssh, sshd and ssh-keygen all follow: flags may be clustered (<c>-nNf</c>), a value may be
/// glued to its flag (<c>-p22</c>, <c>-oX=y</c>) or be the next word, <c>--</c> ends the flags, and so does the first word that is none.
/// ssh goes on after the host: see <see cref="Resume"/>.</summary>
/// <param name="flags">The letters, each followed by ':' when it takes a value: <c>"46Np:"</c>.</param>
/// <param name="arguments">The words after the program's name.</param>
internal sealed class OpenSshGetopt(string flags, IReadOnlyList<string> arguments)
{
    private int _letter;

    /// <summary>The flag that stands for one of <see cref="LongFlags"/>, which is in <see cref="Value"/> then.</summary>
    public const char Long = '\0';

    /// <summary>Flags that are whole words, which OpenSSH has none of: "--agent-confirm".</summary>
    public IReadOnlyList<string> LongFlags { get; init; } = [];

    /// <summary>The flag just read.</summary>
    public char Flag { get; private set; }

    /// <summary>The flag's value; null where it takes none.</summary>
    public string? Value { get; private set; }

    /// <summary>The next word that was not read yet. After <see cref="Read"/> said false: the first word that is no flag.</summary>
    public int Index { get; private set; }

    /// <summary>What is wrong, in getopt's words ("unknown option -- Z"), or null. Reading ends there.</summary>
    public string? Error { get; private set; }

    /// <summary>True when "--" was read: whatever follows is not a flag.</summary>
    public bool Terminated { get; private set; }

    /// <summary>Reads the next flag. False at the first word that is no flag, after "--", at the end, and on an error.</summary>
    public bool Read()
    {
        Value = null;
        if (Error is not null || Terminated)
        {
            return false;
        }

        if (_letter == 0)
        {
            if (Index >= arguments.Count || arguments[Index] is not ['-', _, ..] word)
            {
                return false; // a lone "-" is no flag either
            }

            if (word == "--")
            {
                Index++;
                Terminated = true;
                return false;
            }

            if (LongFlags.Contains(word))
            {
                (Flag, Value) = (Long, word);
                NextWord();
                return true;
            }

            _letter = 1;
        }

        return ReadLetter(arguments[Index]);
    }

    /// <summary>Steps over the word that ended the flags and reads on behind it, as ssh does after the host. False after "--".</summary>
    public bool Resume()
    {
        Index++;
        return !Terminated && Error is null;
    }

    private bool ReadLetter(string word)
    {
        var flag = word[_letter++];
        var row = flag is ':' or '-' ? -1 : flags.IndexOf(flag, StringComparison.Ordinal);
        if (row < 0)
        {
            Error = $"unknown option -- {flag}";
            return false;
        }

        Flag = flag;
        var atEnd = _letter == word.Length;
        if (row + 1 < flags.Length && flags[row + 1] == ':')
        {
            return ReadValue(word, atEnd);
        }

        if (atEnd)
        {
            NextWord();
        }

        return true;
    }

    private bool ReadValue(string word, bool atEnd)
    {
        if (!atEnd)
        {
            Value = word[_letter..];
        }
        else if (Index + 1 < arguments.Count)
        {
            Value = arguments[++Index];
        }
        else
        {
            Error = $"option requires an argument -- {Flag}";
            return false;
        }

        NextWord();
        return true;
    }

    private void NextWord()
    {
        Index++;
        _letter = 0;
    }
}
