using System.Diagnostics.CodeAnalysis;
using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Server.Processes;
using Adit.Server.Users;
using Adit.Ssh;
using Adit.Ssh.Connection;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Sessions;

/// <summary>One session: takes what the client sends on the receive loop, answers its requests one after another off it, and runs the one program.</summary>
[SuppressMessage("Design", "CA1001", Justification = "its task disposes of what it owns")]
internal sealed class ServerSession : IChannelSink
{
    private const int MostWaiting = 1024;
    private const int MostWaitingBytes = 1024 * 1024;
    private const int MostVariables = 128;

    /// <summary>Signals that wait. Each may cost a helper process, one after another: a client gets no more of them than it can do something with.</summary>
    private const int MostSignals = 8;

    private const int MostVariableBytes = 256 * 1024;

    private readonly ConnectionSessions _owner;
    private readonly ILogger _logger;
    private readonly System.Threading.Channels.Channel<SessionRequest> _requests =
        System.Threading.Channels.Channel.CreateUnbounded<SessionRequest>(new System.Threading.Channels.UnboundedChannelOptions { SingleReader = true });
    private readonly CancellationTokenSource _ended = new();
    private readonly Dictionary<string, string> _variables = new(StringComparer.Ordinal);
    private Task _cancelling = Task.CompletedTask;
    private SshChannel? _channel;
    private volatile SessionRun? _run;
    private int _waiting;
    private int _waitingBytes;
    private int _waitingSignals;
    private int _variableBytes;
    private int _isPlaceGivenUp;
    private bool _isPrepared;

    public ServerSession(ConnectionSessions owner, int id) => (_owner, Id, _logger) = (owner, id, owner.Logger);

    /// <summary>Its number among the connection's.</summary>
    public int Id { get; }

    public SessionScope Scope => _owner.Scope;

    public SessionService Service => _owner.Service;

    public SshChannel Channel => _channel ?? throw new InvalidOperationException("the session is not open");

    public SessionInput Input { get; } = new();

    /// <summary>What the client set and the server accepts.</summary>
    public IReadOnlyDictionary<string, string> Variables => _variables;

    /// <summary>The terminal; null for none, and once the program has it.</summary>
    public PseudoTerminal? Terminal { get; private set; }

    /// <summary>The terminal's kind.</summary>
    public string? Term { get; private set; }

    /// <summary>What its rc file reads.</summary>
    public string RcInput => _owner.FeaturesSoFar.Select(feature => feature.RcInput(this)).FirstOrDefault(input => input is not null) ?? "";

    // ---- On the receive loop ---------------------------------------------------------------------------------------

    public void OnOpened(SshChannel channel)
    {
        _channel = channel;
        Input.Bind(channel);
    }

    public void OnData(ReadOnlyMemory<byte> data) => Input.OnData(data.Span);

    public void OnBatchEnd()
    {
    }

    public void OnEof() => Input.OnEof();

    /// <summary>Our CLOSE waits for the session's end, as sshd's does: behind it the client may count on the place for another.</summary>
    public void OnClosed(SshException? reason)
    {
        Input.Close(tell: false);
        _run?.OnChannelClosed();
        Abandon();
    }

    public ChannelRequestAnswer OnRequest(string type, ReadOnlySpan<byte> data, bool wantReply)
    {
        var request = SessionRequest.Read(type, data, wantReply);
        if (request is WindowRequest { WindowSize: var size } && Volatile.Read(ref _waiting) == 0 && _run?.Terminal is { } terminal)
        {
            terminal.Resize(size); // at once: what is typed next must find it done
            return ChannelRequestAnswer.Success;
        }

        if (request is SignalRequest signal && Interlocked.Increment(ref _waitingSignals) > MostSignals)
        {
            request = signal with { IsOneTooMany = true };
        }

        if (Interlocked.Increment(ref _waiting) > MostWaiting || Interlocked.Add(ref _waitingBytes, request.Size) > MostWaitingBytes)
        {
            throw new SshException(SshError.ResourceLimit, "too many requests of a session wait for an answer") { DisconnectReason = Adit.Ssh.DisconnectReason.ProtocolError };
        }

        return _requests.Writer.TryWrite(request) ? ChannelRequestAnswer.Later : ChannelRequestAnswer.Failure;
    }

    // ---- Off it ----------------------------------------------------------------------------------------------------

    /// <summary>The channel is closed, or never came to be: ends what there is.</summary>
    public void Abandon()
    {
        if (_requests.Writer.TryComplete())
        {
            _cancelling = _ended.CancelAsync();
        }
    }

    /// <summary>Answers requests and serves the program until both have an end.</summary>
    public async Task RunAsync()
    {
        await Task.Yield();
        try
        {
            while (await _requests.Reader.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false))
            {
                while (_requests.Reader.TryRead(out var request))
                {
                    Interlocked.Decrement(ref _waiting);
                    Interlocked.Add(ref _waitingBytes, -request.Size);
                    var success = await TryAnswerAsync(request).ConfigureAwait(false);
                    if (request is SignalRequest)
                    {
                        Interlocked.Decrement(ref _waitingSignals);
                    }

                    if (request.WantReply && Channel.Connection.Transport.Reason is null)
                    {
                        Channel.Answer(success);
                    }

                    if (success && request is StartRequest)
                    {
                        _run!.Begin(this); // behind the answer
                    }
                }
            }
        }
        finally
        {
            await EndAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The program is over and everything was sent. The place is free ahead of our CLOSE: a client that has seen it may open the next session at once.</summary>
    public void OnProgramOver()
    {
        GiveUpPlace();
        Channel.Close();
        Abandon();
    }

    /// <summary>Once, however often it is called.</summary>
    private void GiveUpPlace()
    {
        if (Interlocked.Exchange(ref _isPlaceGivenUp, 1) != 0)
        {
            return;
        }

        if (_run is not null)
        {
            var (peer, account) = (Scope.Service.Peer, Scope.Login.Account);
            _logger.LogInformation(LogEvents.Session, "Close session: user {User} from {Address} port {Port} id {Id}", PeerText.Escape(account.Name, 100), peer.RemoteAddress, peer.RemotePort, Id);
        }

        _owner.Release(Id);
    }

    private async Task EndAsync()
    {
        if (_run is not null)
        {
            await _run.Completion.ConfigureAwait(false);
        }

        Terminal?.Dispose();
        Terminal = null;
        await _cancelling.ConfigureAwait(false);
        _ended.Dispose();
        if (_isPrepared)
        {
            foreach (var feature in _owner.FeaturesSoFar)
            {
                await feature.EndAsync(this).ConfigureAwait(false);
            }
        }

        GiveUpPlace();
        _channel?.Close();
    }

    private async Task<bool> TryAnswerAsync(SessionRequest request)
    {
        try
        {
            return !_ended.IsCancellationRequested && await AnswerAsync(request).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        catch (SshException problem)
        {
            _logger.LogError("session {Id}: {Problem}", Id, problem.Message);
            return false;
        }
        catch (Exception problem)
        {
            _logger.LogError(problem, "session {Id}: a request failed", Id);
            return false;
        }
    }

    private async ValueTask<bool> AnswerAsync(SessionRequest request)
    {
        switch (request)
        {
            case WindowRequest window:
                (_run?.Terminal ?? Terminal)?.Resize(window.WindowSize);
                return true;
            case BreakRequest:
                return (_run?.Terminal ?? Terminal)?.SendBreak() == true;
            case OutputUnwantedRequest:
                _run?.OutputUnwanted();
                return _run is not null;
            case SignalRequest { IsOneTooMany: true } signal:
                _logger.LogInformation("session_signal_req: refusing signal {Name}: {Count} wait already", PeerText.Escape(signal.Name, 64), MostSignals);
                return false;
            case SignalRequest signal:
                return _run is { } run ? await run.SignalAsync(signal.Name, _ended.Token).ConfigureAwait(false) : NoProgram();
        }

        // Everything else is for the time ahead of the program.
        if (_run is not null)
        {
            return false;
        }

        switch (request)
        {
            case StartRequest start:
                _run = await new SessionStart(this).RunAsync(start, _ended.Token).ConfigureAwait(false);
                if (_run is not null)
                {
                    Terminal = null; // the run's now
                }

                return _run is not null;
            case PtyRequest pty:
                return await OpenTerminalAsync(pty).ConfigureAwait(false);
            case VariableRequest variable:
                return Accept(variable, (await Scope.Login.NowAsync(_ended.Token).ConfigureAwait(false)).Config.Get(SessionKeywords.AcceptEnv));
            case OtherRequest other:
                return await AskFeaturesAsync(other).ConfigureAwait(false);
            default:
                return false;
        }
    }

    /// <summary>Adds the features' variables.</summary>
    public async ValueTask PrepareAsync(IDictionary<string, string> environment, CancellationToken cancellationToken)
    {
        _isPrepared = true;
        foreach (var feature in _owner.FeaturesSoFar)
        {
            await feature.PrepareAsync(this, environment, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The path of the file that says how the login was proven; null where none can be made. May wait for the disk.</summary>
    public string? AuthenticationFile() => _owner.AuthenticationFile();

    private bool NoProgram()
    {
        _logger.LogError("session_signal_req: no pid for session {Id}", Id);
        return false;
    }

    private async ValueTask<bool> AskFeaturesAsync(OtherRequest request)
    {
        var grant = await Scope.Login.NowAsync(_ended.Token).ConfigureAwait(false);
        if (grant.RuleAgainstPrograms(DateTimeOffset.UtcNow) is not null)
        {
            return false;
        }

        _isPrepared = true;
        foreach (var feature in _owner.Features())
        {
            if (await feature.HandleRequestAsync(this, request.Type, request.Data, _ended.Token).ConfigureAwait(false) is { } answer)
            {
                return answer;
            }
        }

        return false;
    }

    private bool Accept(VariableRequest variable, IReadOnlyList<string> patterns)
    {
        var name = PeerText.Escape(variable.Name, 100);
        if (_variables.Count >= MostVariables || _variableBytes + variable.Size > MostVariableBytes)
        {
            _logger.LogDebug("Ignoring env request {Name}: too many env vars", name);
            return false;
        }

        if (variable.Name.Length == 0 || variable.Name.Contains('=') || !patterns.Any(pattern => PatternList.MatchPattern(variable.Name, pattern)))
        {
            _logger.LogDebug("Ignoring env request {Name}: disallowed name", name);
            return false;
        }

        _variableBytes += variable.Size;
        _variables[variable.Name] = variable.Value;
        return true;
    }

    private async ValueTask<bool> OpenTerminalAsync(PtyRequest request)
    {
        var grant = await Scope.Login.NowAsync(_ended.Token).ConfigureAwait(false);
        var now = DateTimeOffset.UtcNow;
        if ((grant.RuleAgainstPrograms(now) ?? grant.RuleAgainst(LoginRight.Pty, now) ?? (grant.Config.Get(SessionKeywords.PermitTty) ? null : "PermitTTY no")) is { } rule)
        {
            _logger.LogDebug("Allocating a pty not permitted for this connection. ({Rule})", rule);
            return false;
        }

        if (Terminal is not null)
        {
            Channel.Connection.Transport.End(SshException.Protocol("Protocol error: you already have a pty."));
            return false;
        }

        var terminal = PseudoTerminal.Open();
        try
        {
            if (Service.ProcessUid == 0)
            {
                var account = Scope.Login.Account;
                terminal.GiveTo(account.Uid, SystemGroups.Find("tty"), account.Gid);
            }

            terminal.ApplyModes(request.Modes);
            terminal.Resize(request.WindowSize);
        }
        catch
        {
            terminal.Dispose();
            throw;
        }

        Terminal = terminal;
        Term = request.Term.Length == 0 ? null : request.Term;
        return true;
    }
}
