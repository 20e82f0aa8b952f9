using System.Text;
using Adit.Cli.Sessions;
using Adit.Cli.Terminal;
using Adit.Ssh;

namespace Adit.Cli.Multiplexing;

/// <summary>A passenger's session in the master: what the passenger's descriptors bring goes to the program at the server, and back.</summary>
internal sealed class MuxSession : IAsyncDisposable, IEscapeCommands
{
    private const int BufferSize = 64 * 1024;

    private readonly SshSession _session;
    private readonly PassedDescriptor _input;
    private readonly PassedDescriptor _output;
    private readonly PassedDescriptor _error;
    private readonly CancellationTokenSource _ending = new();
    private LocalTerminal? _terminal;
    private EscapeReader? _escapes;
    private byte _escape;
    private Task<string?>[] _refusals = [];

    /// <summary>Of the three descriptors the new object is the owner.</summary>
    public MuxSession(SshSession session, IReadOnlyList<PassedDescriptor> descriptors)
    {
        _session = session;
        (_input, _output, _error) = (descriptors[0], descriptors[1], descriptors[2]);
    }

    /// <summary>Its number for the passenger: the channel's.</summary>
    public uint Number => (uint)_session.Number;

    /// <summary>There is a terminal at the near end, and one was asked for.</summary>
    public bool HasTerminal => _terminal is not null;

    /// <summary>Asks for all there is to ask for, without waiting. The first task tells whether there is a terminal, the second whether the program runs.</summary>
    public async Task<(Task<bool> Terminal, Task<bool> Program)> StartAsync(MuxSessionRequest request, IReadOnlyList<ISessionRequests> requests, CancellationToken cancellationToken)
    {
        var refusals = new List<Task<string?>>();
        foreach (var forwarding in requests)
        {
            refusals.Add(await forwarding.RequestAsync(_session, cancellationToken).ConfigureAwait(false));
        }

        _refusals = [.. refusals];

        var terminal = Task.FromResult(true);
        if (request.WantsTerminal)
        {
            _terminal = LocalTerminal.TryOpen(_input.Number);
            terminal = _session.RequestPtyAsync(Describe(request.Term, _terminal));
            if (request.EscapeCharacter is { } escape)
            {
                (_escape, _escapes) = ((byte)escape, new EscapeReader((byte)escape, this));
            }
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

    /// <summary>The passenger's terminal, where it has one, may have another size.</summary>
    public void ChangeWindow()
    {
        if (_terminal is { Size: var size })
        {
            _session.ChangeWindow(size.Columns, size.Rows, size.PixelWidth, size.PixelHeight);
        }
    }

    /// <summary>Says on the passenger's standard error which forwardings were refused, once the server has answered: without the channel's number, as ssh does here.</summary>
    public async Task TellRefusalsAsync()
    {
        foreach (var refused in await Task.WhenAll(_refusals).ConfigureAwait(false))
        {
            if (refused is not null)
            {
                await SayAsync($"{refused} request failed\r\n").ConfigureAwait(false);
            }
        }
    }

    /// <summary>Says on the passenger's standard error that a request was refused.</summary>
    public Task TellAsync(string what) => SayAsync($"{what} request failed on channel {Number}\r\n");

    /// <summary>Carries everything until the program has ended and all it wrote is written. Its exit status; null where the server told none, and where it was ended here.</summary>
    /// <param name="pacer">Says when what was typed may be sent; null for at once.</param>
    public async Task<int?> RunAsync(KeystrokePacer? pacer)
    {
        var input = SendAsync(pacer);
        try
        {
            await Task.WhenAll(WriteAsync(_session.Output, _output, _session.RefuseOutput), WriteAsync(_session.Error, _error, null)).ConfigureAwait(false);
            return (await _session.Completion.WaitAsync(_ending.Token).ConfigureAwait(false)).Status;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            return null; // if the connection died, its owner tells
        }
        finally
        {
            _input.Dispose();
            await _ending.CancelAsync().ConfigureAwait(false);
            await _session.DisposeAsync().ConfigureAwait(false); // lets go whoever waits to send
            await input.ConfigureAwait(false);
        }
    }

    /// <summary>Ends it: the program at the server loses its terminal and its streams.</summary>
    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync().ConfigureAwait(false);
        await _session.DisposeAsync().ConfigureAwait(false);
        _input.Dispose();
        _output.Dispose();
        _error.Dispose();
        _terminal?.Dispose();
    }

    async ValueTask<bool> IEscapeCommands.RunAsync(SshSession session, byte command, CancellationToken cancellationToken)
    {
        var name = (char)_escape;
        switch ((char)command)
        {
            case '.':
                await SayAsync($"{name}.\r\n").ConfigureAwait(false);
                await _ending.CancelAsync().ConfigureAwait(false);
                return false;
            case 'B':
                await session.SendBreakAsync(1000).WaitAsync(cancellationToken).ConfigureAwait(false);
                return true;
            case '?':
                await SayAsync($"{name}?\r\nSupported escape sequences:\r\n {name}.   - end the session\r\n {name}B   - send a BREAK to the program\r\n"
                    + $" {name}?   - this list\r\n {name}{name}   - the escape character itself\r\nThey count at the beginning of a line only.\r\n").ConfigureAwait(false);
                return true;
            default:
                await SayAsync($"{name}{(command < ' ' ? $"^{(char)(command + '@')}" : (char)command)} escape not available to multiplexed sessions\r\n").ConfigureAwait(false);
                return true;
        }
    }

    private static PtyOptions Describe(string term, LocalTerminal? terminal) => terminal is { Size: var size }
        ? new PtyOptions(term, size.Columns, size.Rows, size.PixelWidth, size.PixelHeight, TerminalAttributes.Encode(terminal.Attributes))
        : new PtyOptions(term, 0, 0, Modes: TerminalAttributes.EncodeNone());

    private Task<bool> SayAsync(string text) => _error.WriteAsync(Encoding.UTF8.GetBytes(text));

    private async Task SendAsync(KeystrokePacer? pacer)
    {
        var buffer = new byte[BufferSize];
        try
        {
            while (await _input.ReadAsync(buffer).ConfigureAwait(false) is var count and > 0)
            {
                if (pacer is not null)
                {
                    await pacer.WaitAsync(count, _ending.Token).ConfigureAwait(false);
                }

                if (_escapes is null)
                {
                    await _session.Input.WriteAsync(buffer.AsMemory(0, count), _ending.Token).ConfigureAwait(false);
                }
                else if (!await _escapes.SendAsync(_session, buffer.AsMemory(0, count), _ending.Token).ConfigureAwait(false))
                {
                    return;
                }
            }

            _session.CompleteInput();
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The program takes no more; what it still says is the other direction's business.
        }
    }

    /// <summary>Where nobody reads any more the rest is dropped, so that the program can go on.</summary>
    private async Task WriteAsync(Stream source, PassedDescriptor target, Action? refuse)
    {
        var buffer = new byte[BufferSize];
        var isRead = true;
        while (await source.ReadAsync(buffer, _ending.Token).ConfigureAwait(false) is var count and > 0)
        {
            if (isRead && !await target.WriteAsync(buffer.AsMemory(0, count)).ConfigureAwait(false))
            {
                if (refuse is not null)
                {
                    refuse();
                    return;
                }

                isRead = false;
            }
        }
    }
}
