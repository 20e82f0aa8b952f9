using Adit.Ssh;
using Adit.Ssh.Wire;

namespace Adit.Server.Configuration;

/// <summary>The arguments of one directive, taken one by one, and the errors that name where they stand.</summary>
internal sealed class SshdArguments(string keyword, IReadOnlyList<string> words, string file, int line)
{
    private int _next;

    /// <summary>The keyword as it was written.</summary>
    public string Keyword => keyword;

    public bool AtEnd => _next >= words.Count;

    /// <summary>The next argument. Throws where there is none, or where it is empty.</summary>
    public string Next(string? missing = null) =>
        AtEnd || words[_next].Length == 0 ? throw Error(missing ?? "missing argument.") : words[_next++];

    /// <summary>The same, with the words that name the keyword.</summary>
    public string NextNamed() => Next($"{keyword} missing argument.");

    public string? NextOrNull() => AtEnd ? null : words[_next++];

    /// <summary>All that is left.</summary>
    public IReadOnlyList<string> Rest()
    {
        var rest = words.Skip(_next).ToArray();
        _next = words.Count;
        return rest;
    }

    /// <summary>OpenSSH words its errors as "FILE line N: …".</summary>
    public SshException Error(string what, string? hint = null) => new(SshError.Configuration, $"{file} line {line}: {what}") { Hint = hint };

    /// <summary>The same behind a line that names no place, as OpenSSH has it where another part of it finds the fault.</summary>
    public SshException ErrorAfter(string found, string what, string? hint = null) => new(SshError.Configuration, $"{found}\n{file} line {line}: {what}") { Hint = hint };

    /// <summary>Names the line without the file, as OpenSSH does for addresses in Match.</summary>
    public SshException ErrorAtLine(string what, string? hint = null) => new(SshError.Configuration, $"{what} at line {line}") { Hint = hint };

    public SshException Unsupported(string value) => Error($"unsupported option \"{PeerText.Escape(value)}\".");
}
