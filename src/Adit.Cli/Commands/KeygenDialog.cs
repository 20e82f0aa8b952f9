using System.Text;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Cli.Terminal;
using Microsoft.Win32.SafeHandles;

namespace Adit.Cli.Commands;

/// <summary>Whom keygen talks to.</summary>
internal interface IKeygenDialog
{
    void Write(string text);

    void WriteError(string text);

    /// <summary>A question whose answer may be seen. Null at the end of input.</summary>
    ValueTask<string?> AskAsync(string prompt);

    /// <summary>A question whose answer is not shown. Null at the end of input.</summary>
    ValueTask<string?> AskSecretAsync(string prompt);

    /// <summary>Standard input as a whole, for "-f -".</summary>
    Stream OpenInput();
}

/// <summary>Standard input and output; passphrases from the terminal or SSH_ASKPASS, or from standard input where there is neither.</summary>
internal sealed class KeygenDialog : IKeygenDialog, IDisposable
{
    /// <summary>Longest answer; the rest of the line is thrown away.</summary>
    private const int MaxAnswer = 1024;

    private readonly LogOutput _log = new();
    private readonly Lazy<Stream> _input = new(OpenStandardInput);
    private readonly OpenSshPrompter _prompter;

    public KeygenDialog() => _prompter = new OpenSshPrompter(_log);

    public void Write(string text) => StandardStreams.WriteOut(text);

    public void WriteError(string text) => StandardStreams.WriteError(text);

    // Byte by byte: what stands behind the line is for the next question.
    public async ValueTask<string?> AskAsync(string prompt)
    {
        Write(prompt);
        var line = new List<byte>();
        var one = new byte[1];
        while (await _input.Value.ReadAsync(one).ConfigureAwait(false) > 0)
        {
            if (one[0] == '\n')
            {
                return Encoding.UTF8.GetString([.. line]).TrimEnd('\r');
            }

            if (line.Count < MaxAnswer)
            {
                line.Add(one[0]);
            }
        }

        return line.Count > 0 ? Encoding.UTF8.GetString([.. line]) : null;
    }

    public async ValueTask<string?> AskSecretAsync(string prompt)
    {
        var answer = await _prompter.AskAsync(prompt, echo: false, CancellationToken.None).ConfigureAwait(false);
        return answer is null && Console.IsInputRedirected ? await AskAsync(prompt).ConfigureAwait(false) : answer;
    }

    public Stream OpenInput() => _input.Value;

    /// <summary>The descriptor itself: the console's stream takes over the editing and the echo of a terminal.</summary>
    private static Stream OpenStandardInput() => OperatingSystem.IsWindows()
        ? Console.OpenStandardInput()
        : new FileStream(new SafeFileHandle(0, ownsHandle: false), FileAccess.Read, bufferSize: 0);

    public void Dispose()
    {
        _prompter.Dispose();
        _log.Dispose();
    }
}
