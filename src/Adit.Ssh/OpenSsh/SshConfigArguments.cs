using System.Globalization;
using Adit.Ssh.Wire;

namespace Adit.Ssh.OpenSsh;

/// <summary>The arguments of one directive while it is parsed, and where its errors go.</summary>
internal sealed class SshConfigArguments(string keyword, string rest, IReadOnlyList<string> words, string file, int line, SshConfigContext context, Action<string> report)
{
    private int _next;

    /// <summary>The keyword in lower case, as messages show it.</summary>
    public string Keyword => keyword;

    /// <summary>Everything behind the keyword, as written.</summary>
    public string Rest => rest;

    public SshConfigContext Context => context;

    /// <summary>True after <see cref="Fail"/>.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Arguments not taken yet.</summary>
    public int Remaining => words.Count - _next;

    /// <summary>The next argument, or null.</summary>
    public string? Next() => _next < words.Count ? words[_next++] : null;

    public void SkipRest() => _next = words.Count;

    /// <summary>Reports "file line N: message".</summary>
    public void Report(string message) => report(string.Create(CultureInfo.InvariantCulture, $"{PeerText.Escape(file)} line {line}: {message}"));

    /// <summary>Reports an error of the directive. Returns null, so that a parser can return it.</summary>
    public string? Fail(string message)
    {
        Report(message);
        HasFailed = true;
        return null;
    }

    /// <summary>What to throw where ssh stops at once instead of counting the error and reading on.</summary>
    public SshException Fatal(string message) => new(SshError.Configuration, string.Create(CultureInfo.InvariantCulture, $"{PeerText.Escape(file)} line {line}: {message}"));

    /// <summary>Reports something that ssh prints without a place.</summary>
    public void ReportPlain(string text) => report(text);
}
