using System.Text;
using Adit.Ssh;

namespace Adit.Cli.Multiplexing;

/// <summary>A passenger's session in the master: what the passenger's descriptors bring goes to the program at the server, and back.</summary>
internal sealed class MuxSession : IAsyncDisposable
{
    private const int BufferSize = 64 * 1024;

    private readonly SshSession _session;
    private readonly PassedDescriptor _input;
    private readonly PassedDescriptor _output;
    private readonly PassedDescriptor _error;
    private readonly string _number;
    private PassengerEscapes? _escapes;

    /// <summary>Of the three descriptors the new object is the owner.</summary>
    public MuxSession(SshSession session, IReadOnlyList<PassedDescriptor> descriptors, uint number)
    {
        _session = session;
        (_input, _output, _error) = (descriptors[0], descriptors[1], descriptors[2]);
        _number = $"{number}";
    }

    /// <summary>True where it has a terminal, whose size the passenger's follows.</summary>
    public bool HasTerminal { get; private set; }

    /// <summary>Asks for all there is to ask for, without waiting. The first task tells whether there is a terminal, the second whether the program runs.</summary>
    public (Task<bool> Terminal, Task<bool> Program) Start(MuxSessionRequest request)
    {
        var terminal = Task.FromResult(true);
        if (request.WantsTerminal)
        {
            HasTerminal = true;
            var (columns, rows, width, height) = PassedTerminal.Size(_input.Number);
            terminal = _session.RequestPtyAsync(new PtyOptions(request.Term, columns, rows, width, height, PassedTerminal.Modes(_input.Number)));
            _escapes = request.EscapeCharacter is { } escape ? new PassengerEscapes(escape) : null;
        }

        foreach (var variable in request.Variables)
        {
            if (variable.IndexOf('=', StringComparison.Ordinal) is > 0 and var end)
            {
                _session.SetVariable(variable[..end], variable[(end + 1)..]);
            }
        }

        return (terminal, request switch
        {
            { IsSubsystem: true } => _session.StartSubsystemAsync(request.Command),
            { Command.Length: > 0 } => _session.ExecuteAsync(request.Command),
            _ => _session.StartShellAsync(),
        });
    }

    /// <summary>The passenger's terminal has another size.</summary>
    public void ChangeWindow()
    {
        var (columns, rows, width, height) = PassedTerminal.Size(_input.Number);
        _session.ChangeWindow(columns, rows, width, height);
    }

    /// <summary>Says something on the passenger's standard error.</summary>
    public Task TellAsync(string what) => _error.WriteAsync(Encoding.UTF8.GetBytes($"{what} request failed on channel {_number}\r\n"));

    /// <summary>Carries everything until the program has ended and all it wrote is written. Its exit status; null where the server told none.</summary>
    public async Task<int?> RunAsync()
    {
        var input = SendAsync();
        await Task.WhenAll(WriteAsync(_session.Output, _output), WriteAsync(_session.Error, _error)).ConfigureAwait(false);
        try
        {
            return (await _session.Completion.ConfigureAwait(false)).Status;
        }
        catch (SshException)
        {
            return null; // the connection died, which its owner tells
        }
        finally
        {
            _input.Dispose();
            await input.ConfigureAwait(false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _session.DisposeAsync().ConfigureAwait(false);
        _input.Dispose();
        _output.Dispose();
        _error.Dispose();
    }

    private async Task SendAsync()
    {
        var buffer = new byte[BufferSize];
        try
        {
            while (await _input.ReadAsync(buffer).ConfigureAwait(false) is var count and > 0)
            {
                if (_escapes is null)
                {
                    await _session.Input.WriteAsync(buffer.AsMemory(0, count)).ConfigureAwait(false);
                }
                else if (!await TypeAsync(_escapes, buffer.AsMemory(0, count)).ConfigureAwait(false))
                {
                    return;
                }
            }

            _session.CompleteInput();
        }
        catch (IOException)
        {
            // The program takes no more; what it still says is the other direction's business.
        }
    }

    /// <summary>Sends what was typed, without escapes. False when one of them ended the session.</summary>
    private async Task<bool> TypeAsync(PassengerEscapes escapes, ReadOnlyMemory<byte> typed)
    {
        var sent = new byte[typed.Length + 1];
        while (!typed.IsEmpty)
        {
            var found = escapes.Filter(typed.Span, sent, out var taken, out var count);
            typed = typed[taken..];
            await _session.Input.WriteAsync(sent.AsMemory(0, count)).ConfigureAwait(false);
            switch (found)
            {
                case PassengerEscape.End:
                    await _session.DisposeAsync().ConfigureAwait(false);
                    return false;
                case PassengerEscape.Break:
                    await _session.SendBreakAsync(1000).ConfigureAwait(false);
                    break;
                case PassengerEscape.Help:
                    await _error.WriteAsync(Encoding.UTF8.GetBytes(escapes.HelpText)).ConfigureAwait(false);
                    break;
                case PassengerEscape.Unavailable:
                    var name = escapes.Last < ' ' ? $"^{(char)(escapes.Last + 64)}" : $"{escapes.Last}";
                    await _error.WriteAsync(Encoding.UTF8.GetBytes($"{name} escape not available to multiplexed sessions\r\n")).ConfigureAwait(false);
                    break;
            }
        }

        return true;
    }

    /// <summary>Where nobody reads any more the rest is dropped, so that the program can go on.</summary>
    private static async Task WriteAsync(Stream source, PassedDescriptor target)
    {
        var buffer = new byte[BufferSize];
        var isRead = true;
        try
        {
            while (await source.ReadAsync(buffer).ConfigureAwait(false) is var count and > 0)
            {
                isRead = isRead && await target.WriteAsync(buffer.AsMemory(0, count)).ConfigureAwait(false);
            }
        }
        catch (IOException)
        {
            // The connection died.
        }
    }
}
