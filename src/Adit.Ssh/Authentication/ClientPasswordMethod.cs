using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Authentication;

/// <summary>"password" on the client, with the change of an expired one (RFC 4252, section 8).</summary>
internal sealed class ClientPasswordMethod(ClientConversation conversation, ClientAuthenticationReport report) : ClientMethod
{
    private const int MaxChanges = 3;

    private readonly Queue<PasswordCredential> _credentials = new(conversation.Options.Credentials.OfType<PasswordCredential>());
    private int _attemptsOfFirst;
    private bool _failedBefore;

    public override string Name => AuthPasswordFields.MethodName;

    public override async ValueTask<ClientReply?> AttemptAsync(CancellationToken cancellationToken)
    {
        while (_credentials.TryPeek(out var credential))
        {
            if (_attemptsOfFirst++ < credential.Attempts)
            {
                if (_failedBefore)
                    conversation.Logger.LogInformation("Permission denied, please try again.");
                string? password = await credential.Ask($"{conversation.Destination}'s password: ", cancellationToken).ConfigureAwait(false);
                if (password is not null)
                    return await SendAsync(credential, password, cancellationToken).ConfigureAwait(false);
                report.Add("password: none was given");
            }
            _credentials.Dequeue();
            _attemptsOfFirst = 0;
        }
        return null;
    }

    private async ValueTask<ClientReply?> SendAsync(PasswordCredential credential, string password, CancellationToken cancellationToken)
    {
        var header = conversation.Header(Name);
        conversation.Exchange.SendPassword(header, new AuthPasswordFields(password, null));
        var reply = await conversation.ReceiveReplyAsync(cancellationToken).ConfigureAwait(false);
        for (int changes = 0; reply.Kind == ClientReplyKind.MethodMessage; changes++)
        {
            string prompt = PeerText.Escape(reply.Read<AuthPasswordChangeMessage>().Prompt, keepLines: true);
            string? replacement = changes < MaxChanges ? await AskReplacementAsync(credential, prompt, cancellationToken).ConfigureAwait(false) : null;
            if (replacement is null)
            {
                // The server does not answer a request that is given up (RFC 4252, section 5.1), so nothing is outstanding.
                report.Add("password: right but expired, and no new one was given");
                _credentials.Clear();
                return null;
            }
            conversation.Exchange.SendPassword(header, new AuthPasswordFields(password, replacement));
            reply = await conversation.ReceiveReplyAsync(cancellationToken).ConfigureAwait(false);
        }
        if (reply.Kind == ClientReplyKind.Failure)
        {
            _failedBefore = true;
            report.Add("password: wrong");
        }
        return reply;
    }

    /// <summary>The new password, typed twice; null when nobody gives one.</summary>
    private async ValueTask<string?> AskReplacementAsync(PasswordCredential credential, string prompt, CancellationToken cancellationToken)
    {
        if (prompt.Length > 0)
            conversation.Logger.LogInformation("{Prompt}", prompt);
        if (credential.IsFixed)
            return null;
        for (int i = 0; i < MaxChanges; i++)
        {
            if (await credential.Ask($"Enter {conversation.Destination}'s new password: ", cancellationToken).ConfigureAwait(false) is not { } first)
                return null;
            if (await credential.Ask($"Retype {conversation.Destination}'s new password: ", cancellationToken).ConfigureAwait(false) is not { } second)
                return null;
            if (first == second)
                return first;
            conversation.Logger.LogInformation("Mismatch; try again, EOF to quit.");
        }
        return null;
    }
}
