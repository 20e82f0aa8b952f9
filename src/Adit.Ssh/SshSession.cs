using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh;

/// <summary>How a program at the server ended (RFC 4254, section 6.10).</summary>
/// <param name="Status">Its exit status; null where the server told none.</param>
/// <param name="Signal">The signal that ended it, without "SIG", escaped for a terminal; null for none.</param>
/// <param name="CoreDumped">With a signal: it left a core.</param>
/// <param name="Message">With a signal: what the server said about it, escaped; often empty.</param>
public sealed record SessionExit(int? Status, string? Signal = null, bool CoreDumped = false, string Message = "");

/// <summary>A terminal to ask for (RFC 4254, section 6.2).</summary>
/// <param name="Term">The value of TERM.</param>
/// <param name="Columns">Width in characters.</param>
/// <param name="Rows">Height in characters.</param>
/// <param name="PixelWidth">Width in pixels; 0 where not known.</param>
/// <param name="PixelHeight">Height in pixels; 0 where not known.</param>
/// <param name="Modes">Terminal modes as RFC 4254, section 8, encodes them; empty for the server's own.</param>
public sealed record PtyOptions(string Term, int Columns, int Rows, int PixelWidth = 0, int PixelHeight = 0, ReadOnlyMemory<byte> Modes = default);

/// <summary>A session channel (RFC 4254, section 6): one program at the server, with its input, output and error output. Ask for a terminal, variables and the like first, then
/// start one program. Streams have one user each at a time.</summary>
public sealed class SshSession : IAsyncDisposable
{
    /// <summary>SSH_EXTENDED_DATA_STDERR.</summary>
    private const uint StandardError = 1;

    private readonly Sink _sink;

    private SshSession(Sink sink, SshChannel channel)
    {
        _sink = sink;
        Channel = channel;
        Input = new SessionStream(channel, null);
        Output = new SessionStream(channel, _sink.Output);
        Error = new SessionStream(channel, _sink.Error);
    }

    /// <summary>Standard input of the program: writing completes when everything is queued to be sent and throws <see cref="SshException"/>
    /// (<see cref="SshError.ChannelClosed"/>) when it takes no more.</summary>
    public Stream Input { get; }

    /// <summary>Standard output, or what the terminal shows.</summary>
    public Stream Output { get; }

    /// <summary>Standard error; nothing comes here where there is a terminal.</summary>
    public Stream Error { get; }

    /// <summary>Completes when the server has closed the session: all output is in <see cref="Output"/> and <see cref="Error"/> by then. Faults with the connection's
    /// <see cref="SshException"/> when that dies first.</summary>
    public Task<SessionExit> Completion => _sink.Exit.Task;

    /// <summary>Completes when the program's end of <see cref="Input"/> is known to be closed (eow@openssh.com), or the session is over.</summary>
    public Task InputUnwanted => _sink.InputUnwanted.Task;

    /// <summary>The channel's number here, as messages name it.</summary>
    public int Number => (int)Channel.LocalId;

    internal SshChannel Channel { get; }

    /// <summary>Whose it is; null where there is no client around the connection.</summary>
    private SshClient? Client { get; init; }

    internal static async Task<SshSession> OpenAsync(SshConnection connection, CancellationToken cancellationToken, SshClient? client = null)
    {
        var sink = new Sink();
        var channel = await connection.OpenAsync("session", default, sink, cancellationToken).ConfigureAwait(false);
        return new SshSession(sink, channel) { Client = client };
    }

    /// <summary>Asks for a terminal. False when the server refuses.</summary>
    public Task<bool> RequestPtyAsync(PtyOptions pty) =>
        Channel.RequestAsync(PtyRequestData.Name, new PtyRequestData(pty.Term, Size(pty.Columns, pty.Rows, pty.PixelWidth, pty.PixelHeight), pty.Modes.ToArray()).ToArray());

    /// <summary>Sends a variable of the environment, without waiting for an answer: servers accept only those that they are set up to.</summary>
    public void SetVariable(string name, string value) => Channel.Notify("env", Strings(name, value));

    /// <summary>Asks the server to forward an agent to the session's program (-A): call it before that starts. The server does not say whether it does. The last agent given
    /// serves all sessions of the connection that asked.</summary>
    /// <exception cref="SshException"><see cref="SshError.PolicyDenied"/> where the server may be the wrong one (<see cref="SshClient.IsHostKeyUnsafe"/>): nothing is asked for then.</exception>
    public void ForwardAgent(ForwardedAgent agent) => (Client ?? throw new InvalidOperationException("the session has no client")).ForwardAgent(this, agent);

    /// <summary>Asks the server to let the session's program open windows on a display here (-X): call it before that starts. False when the server refuses. The last display
    /// given serves all sessions of the connection that asked. The server gets a random cookie; connections that show it get the display's own in its place, and none other
    /// reaches the display.</summary>
    /// <exception cref="SshException"><see cref="SshError.PolicyDenied"/> where the server may be the wrong one (<see cref="SshClient.IsHostKeyUnsafe"/>): nothing is asked for then.</exception>
    public Task<bool> RequestX11Async(ForwardedDisplay display) => (Client ?? throw new InvalidOperationException("the session has no client")).RequestX11Async(this, display);

    /// <summary>Starts the user's login shell. False when the server refuses.</summary>
    public Task<bool> StartShellAsync() => Channel.RequestAsync("shell", default);

    /// <summary>Has the user's shell run a command. False when the server refuses.</summary>
    public Task<bool> ExecuteAsync(string command) => Channel.RequestAsync("exec", Strings(command));

    /// <summary>Starts a subsystem, "sftp" say. False when the server refuses.</summary>
    public Task<bool> StartSubsystemAsync(string name) => Channel.RequestAsync("subsystem", Strings(name));

    /// <summary>Tells that the terminal has another size (window-change).</summary>
    public void ChangeWindow(int columns, int rows, int pixelWidth = 0, int pixelHeight = 0) =>
        Channel.Notify(WindowSize.Name, Size(columns, rows, pixelWidth, pixelHeight).ToArray());

    /// <summary>Sends a signal to the program: "INT", "TERM", without "SIG".</summary>
    public void SendSignal(string name) => Channel.Notify("signal", Strings(name));

    /// <summary>Sends a break (RFC 4335). False when the server refuses.</summary>
    /// <param name="milliseconds">How long; 0 for the server's usual.</param>
    public Task<bool> SendBreakAsync(int milliseconds)
    {
        var writer = new SshWriter(4);
        writer.WriteUInt32((uint)milliseconds);
        return Channel.RequestAsync("break", writer.Written);
    }

    /// <summary>The program's input ends here; output still comes.</summary>
    public void CompleteInput() => Channel.SendEof();

    /// <summary>Nobody takes the program's output any more: what comes is dropped, and a server that knows eow@openssh.com is told, so that the program learns it by
    /// its next write. Error output still comes.</summary>
    public void RefuseOutput()
    {
        _sink.Output.Abandon();
        if (Channel.Connection.Transport.Quirks.HasOpenSshsWays)
            Channel.Notify("eow@openssh.com", default);
    }

    /// <summary>Closes the session at once; what was not read is dropped.</summary>
    public ValueTask DisposeAsync()
    {
        _sink.Output.Abandon();
        _sink.Error.Abandon();
        Channel.Close();
        return ValueTask.CompletedTask;
    }

    private static WindowSize Size(int columns, int rows, int pixelWidth, int pixelHeight) => new((uint)columns, (uint)rows, (uint)pixelWidth, (uint)pixelHeight);

    private static byte[] Strings(params ReadOnlySpan<string> values)
    {
        var writer = new SshWriter(64);
        foreach (string value in values)
            writer.WriteString(value);
        return writer.ToArray();
    }

    private sealed class Sink : IChannelSink
    {
        private SshChannel? _channel;
        private SessionExit? _exit;

        public InboundBytes Output { get; } = new();

        public InboundBytes Error { get; } = new();

        public TaskCompletionSource<SessionExit> Exit { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource InputUnwanted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void OnOpened(SshChannel channel)
        {
            _channel = channel;
            Output.Bind(channel);
            Error.Bind(channel);
        }

        public void OnData(ReadOnlyMemory<byte> data) => Output.Append(data.Span);

        public bool OnExtendedData(uint code, ReadOnlyMemory<byte> data)
        {
            if (code != StandardError)
                return false;
            Error.Append(data.Span);
            return true;
        }

        public void OnBatchEnd()
        {
            Output.Signal();
            Error.Signal();
        }

        public void OnEof()
        {
            Output.End(null);
            Error.End(null);
        }

        public void OnClosed(SshException? reason)
        {
            Output.End(reason);
            Error.End(reason);
            InputUnwanted.TrySetResult();
            if (_exit is not null || reason is null)
                Exit.TrySetResult(_exit ?? new SessionExit(null));
            else
                Exit.TrySetException(reason);
            _ = Exit.Task.Exception; // who does not ask is not told
            _channel?.Close(); // what is still unread is the reader's, and bounded by the window
        }

        public ChannelRequestAnswer OnRequest(string type, ReadOnlySpan<byte> data, bool wantReply)
        {
            switch (type)
            {
                case "exit-status":
                    var reader = new SshReader(data);
                    _exit ??= new SessionExit((int)reader.ReadUInt32());
                    reader.EnsureEnd();
                    return ChannelRequestAnswer.Success;
                case ExitSignalData.Name:
                    var signal = ExitSignalData.Read(data);
                    _exit ??= new SessionExit(null, PeerText.Escape(signal.Signal, 64), signal.CoreDumped, PeerText.Escape(signal.Message, 1024));
                    return ChannelRequestAnswer.Success;
                case "eow@openssh.com":
                    InputUnwanted.TrySetResult();
                    return ChannelRequestAnswer.Success;
                default:
                    return ChannelRequestAnswer.Failure;
            }
        }
    }
}
