using System.Security.Cryptography;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Authentication;

/// <summary>Asks the client questions for one keyboard-interactive attempt on the server. While a question is open the attempt reads the connection's messages itself.</summary>
internal sealed class KeyboardInteractivePrompter(IMessageExchange exchange, TimeProvider time, CancellationTokenSource attempt, Action countRequest)
    : IKeyboardInteractivePrompter
{
    private readonly Lock _lock = new();
    private Task<IReadOnlyList<string>>? _question;
    private Exception? _fault;
    private bool _closed;
    private bool _unanswered;
    private bool _hasAnswers;
    private bool _isText;

    /// <summary>The request with which the client gave this attempt up; null if it did not.</summary>
    public byte[]? NextRequest { get; private set; }

    /// <summary>The client answered with the wrong number of answers: the attempt fails whatever the authenticator says (RFC 4256, section 3.4).</summary>
    public bool Refused { get; private set; }

    /// <summary>The client gave the attempt up, answered badly or is gone.</summary>
    public bool IsOver => Refused || NextRequest is not null || _fault is not null;

    /// <summary>The client has answered all that it was asked, and the word on it is due. What was only shown to it since then is no question.</summary>
    public bool IsJudged => _hasAnswers && (_isText || (!_unanswered && _fault is null && NextRequest is null));

    /// <summary>When the last answer came; null if none did.</summary>
    public long? LastAnswer { get; private set; }

    public ValueTask<IReadOnlyList<string>> AskAsync(
        string name, string instruction, IReadOnlyList<KeyboardInteractivePrompt> prompts, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_closed)
                throw new InvalidOperationException("the attempt is over");
            if (_question is { IsCompleted: false })
                throw new InvalidOperationException("a question is open already");
            attempt.Token.ThrowIfCancellationRequested();
            if (_fault is not null || Refused || _unanswered)
                throw new SshException(SshError.AuthenticationFailed, "the attempt is over");
            _question = AskCoreAsync(name, instruction, prompts, cancellationToken);
            return new ValueTask<IReadOnlyList<string>>(_question);
        }
    }

    /// <summary>Ends the attempt and returns whether a question is still unanswered, so that its answer may yet come. Throws what ended the
    /// connection, even where the authenticator did not pass it on.</summary>
    public async ValueTask<bool> CloseAsync()
    {
        Task? question;
        lock (_lock)
        {
            _closed = true;
            question = _question;
        }
        if (question is { IsCompleted: false })
        {
            // An authenticator that returned while its question was open: the question ends with it.
            await attempt.CancelAsync().ConfigureAwait(false);
            await question.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        if (_fault is not null)
            throw _fault;
        return _unanswered;
    }

    private async Task<IReadOnlyList<string>> AskCoreAsync(
        string name, string instruction, IReadOnlyList<KeyboardInteractivePrompt> prompts, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(attempt.Token, cancellationToken);
        try
        {
            _isText = prompts.Count == 0;
            countRequest();
            exchange.Send(new AuthInfoRequestMessage(name, instruction, prompts.Select(p => new AuthInfoPrompt(p.Text, p.Echo)).ToArray()));
            _unanswered = true;
            byte[] payload = await exchange.ReceiveAsync(either.Token).ConfigureAwait(false);
            _unanswered = false;
            LastAnswer = time.GetTimestamp();
            return Take(payload, prompts.Count);
        }
        catch (SshException e) when (!Refused)
        {
            _unanswered = false;
            _fault = e;
            throw;
        }
    }

    private IReadOnlyList<string> Take(byte[] payload, int expected)
    {
        switch (payload.Length == 0 ? 0 : (MessageId)payload[0])
        {
            case MessageId.UserAuthMethod61:
                var reader = new SshReader(payload.AsSpan(1));
                var answers = AuthInfoResponseMessage.Read(ref reader).Answers;
                CryptographicOperations.ZeroMemory(payload);
                _hasAnswers |= answers.Count > 0;
                if (answers.Count == expected)
                    return answers;
                Refused = true;
                throw new SshException(SshError.AuthenticationFailed, $"the client gave {answers.Count} answers to {expected} prompts");
            case MessageId.UserAuthRequest or MessageId.ServiceRequest:
                NextRequest = payload;
                attempt.Cancel();
                throw new OperationCanceledException("the client began another attempt", attempt.Token);
            default:
                throw SshException.Protocol(payload.Length == 0 ? "empty message" : $"unexpected message {payload[0]} while a prompt is open");
        }
    }
}
