using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Authentication;

/// <summary>"keyboard-interactive" on the client (RFC 4256): as many rounds of questions as the server has, a round without questions included.</summary>
internal sealed class ClientKeyboardInteractiveMethod(ClientConversation conversation, ClientAuthenticationReport report) : ClientMethod
{
    private const int MaxRounds = 100;

    private readonly Queue<KeyboardInteractiveCredential> _credentials = new(conversation.Options.Credentials.OfType<KeyboardInteractiveCredential>());
    private int _attemptsOfFirst;

    public override string Name => AuthKeyboardInteractiveFields.MethodName;

    public override async ValueTask<ClientReply?> AttemptAsync(CancellationToken cancellationToken)
    {
        while (_credentials.TryPeek(out var credential))
        {
            if (_attemptsOfFirst++ < credential.Attempts)
            {
                if (await ConverseAsync(credential, cancellationToken).ConfigureAwait(false) is { } reply)
                    return reply;
                report.Add("keyboard-interactive: no answer was given");
            }
            _credentials.Dequeue();
            _attemptsOfFirst = 0;
        }
        return null;
    }

    /// <summary>One attempt; null when it was given up. The server does not answer an attempt that is given up (RFC 4252, section 5.1).</summary>
    private async ValueTask<ClientReply?> ConverseAsync(KeyboardInteractiveCredential credential, CancellationToken cancellationToken)
    {
        SendRequest();
        int rounds = 0;
        while (true)
        {
            var reply = await conversation.ReceiveReplyAsync(cancellationToken).ConfigureAwait(false);
            if (reply.Kind != ClientReplyKind.MethodMessage)
            {
                if (reply.Kind == ClientReplyKind.Failure)
                    NoteFailure(rounds);
                return reply;
            }
            if (++rounds > MaxRounds)
                throw SshException.Protocol($"the server asked more than {MaxRounds} rounds of questions");
            if (await AnswerAsync(credential, reply.Read<AuthInfoRequestMessage>(), cancellationToken).ConfigureAwait(false) is not { } answers)
                return null;
            conversation.Exchange.SendAnswers(new AuthInfoResponseMessage(answers));
        }
    }

    private void NoteFailure(int rounds)
    {
        report.Add(rounds == 0 ? "keyboard-interactive: refused without a question" : "keyboard-interactive: the answers were not accepted");
        // A server that did not even ask will not ask next time either.
        if (rounds == 0)
            _credentials.Clear();
    }

    private async ValueTask<IReadOnlyList<string>?> AnswerAsync(
        KeyboardInteractiveCredential credential, AuthInfoRequestMessage request, CancellationToken cancellationToken)
    {
        var challenge = new KeyboardInteractiveChallenge(
            PeerText.Escape(request.Name),
            PeerText.Escape(request.Instruction, maxLength: 16 * 1024, keepLines: true),
            request.Prompts.Select(p => new KeyboardInteractivePrompt(PeerText.Escape(p.Text, maxLength: 4096, keepLines: true), p.Echo)).ToArray())
        {
            Destination = conversation.Destination,
        };
        bool nothingToShow = challenge is { Prompts.Count: 0, Name.Length: 0, Instruction.Length: 0 };
        if (nothingToShow)
            return [];
        var answers = await credential.Answer(challenge, cancellationToken).ConfigureAwait(false);
        if (answers is null)
            return null;
        if (challenge.Prompts.Count == 0)
            return [];
        return answers.Count == challenge.Prompts.Count
            ? answers
            : throw new InvalidOperationException($"the keyboard-interactive callback gave {answers.Count} answers to {challenge.Prompts.Count} prompts");
    }

    private void SendRequest()
    {
        var writer = new SshWriter(128);
        conversation.Header(Name).Write(ref writer);
        new AuthKeyboardInteractiveFields(conversation.Options.KbdInteractiveDevices).Write(ref writer);
        conversation.Exchange.Send(writer.Written);
    }
}
