using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Authentication;

/// <summary>One login on the client: the service, "none" to learn the methods, then method after method in the order of PreferredAuthentications,
/// among those that the server lets continue. A changed list starts the order over, as in OpenSSH.
/// <para>The service request, "none" and the first key leave in one flight (RFC 4252, section 5.1, has a client send several requests without waiting; a server
/// answers them in order and drops what comes behind the one that succeeds): with a key that the server takes, a login is one round trip.</para></summary>
internal sealed class ClientAuthenticationSession : IAsyncDisposable
{
    private const string AuthenticationService = "ssh-userauth";

    private readonly ClientConversation _conversation;
    private readonly ClientAuthenticationReport _report;
    private readonly ClientPublicKeyMethod _publicKey;
    private readonly List<ClientMethod> _methods;
    private readonly HashSet<ClientMethod> _exhausted = [];
    private readonly List<string> _partial = [];
    private ClientMethod? _current;
    private IReadOnlyList<string> _canContinue = [];

    public ClientAuthenticationSession(IMessageExchange exchange, ClientAuthenticationOptions options)
    {
        _conversation = new ClientConversation(exchange, options);
        _report = new ClientAuthenticationReport(exchange, options);
        _publicKey = new ClientPublicKeyMethod(_conversation, _report);
        _methods = [_publicKey, new ClientPasswordMethod(_conversation, _report), new ClientKeyboardInteractiveMethod(_conversation, _report)];
    }

    private ILogger Logger => _conversation.Logger;

    private bool KeysComeFirst => _conversation.Options.PreferredAuthentications is [var first, ..] && first == _publicKey.Name;

    /// <summary>See <see cref="ClientAuthenticator.AuthenticateAsync"/>.</summary>
    public async Task<ClientAuthenticationResult> RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            SendServiceRequest();
            SendNone();
            if (KeysComeFirst)
                await _publicKey.SendAheadAsync(cancellationToken).ConfigureAwait(false);
            await ReceiveServiceAcceptAsync(cancellationToken).ConfigureAwait(false);
            var reply = await _conversation.ReceiveFinalReplyAsync(cancellationToken).ConfigureAwait(false);
            string method = "none";
            while (reply.Kind != ClientReplyKind.Success)
            {
                NoteFailure(reply, method);
                (method, reply) = await AttemptNextAsync(cancellationToken).ConfigureAwait(false);
            }
            PublicKey? key = method == _publicKey.Name ? _publicKey.LastKey : null;
            return new ClientAuthenticationResult(method, key, _partial);
        }
        catch (SshException e) when (e.Error is SshError.Disconnected or SshError.ConnectionLost)
        {
            throw _report.ConnectionEnded(e);
        }
    }

    public ValueTask DisposeAsync() => _publicKey.DisposeAsync();

    private void SendServiceRequest() => _conversation.Exchange.Send(new ServiceRequestMessage(AuthenticationService));

    private async ValueTask ReceiveServiceAcceptAsync(CancellationToken cancellationToken)
    {
        byte[] payload = await _conversation.ReceiveAsync(cancellationToken).ConfigureAwait(false);
        if ((MessageId)payload[0] != MessageId.ServiceAccept)
            throw SshException.Protocol($"unexpected message {payload[0]} from the server instead of an answer to the service request");
        var reader = new SshReader(payload.AsSpan(1));
        string service = ServiceAcceptMessage.Read(ref reader).Service;
        if (service is not (AuthenticationService or ""))
            throw SshException.Protocol($"the server accepted the service {PeerText.Escape(service, 100)} instead of {AuthenticationService}");
        Logger.LogDebug("SSH2_MSG_SERVICE_ACCEPT received");
    }

    private void SendNone()
    {
        var writer = new SshWriter(128);
        _conversation.Header("none").Write(ref writer);
        _conversation.Exchange.Send(writer.Written);
    }

    private void NoteFailure(ClientReply reply, string method)
    {
        if (reply.Kind == ClientReplyKind.PartialSuccess)
        {
            _partial.Add(method);
            _report.Add($"{method}: accepted as one step of several");
            Logger.LogDebug("Authenticated using \"{Method}\" with partial success.", method);
            foreach (var again in _methods.Where(m => m.OnPartialSuccess()))
                _exhausted.Remove(again);
        }
        Logger.LogDebug("Authentications that can continue: {Methods}", PeerText.Escape(string.Join(',', reply.Methods)));
        if (!reply.Methods.SequenceEqual(_canContinue))
            _current = null;
        _canContinue = reply.Methods;
    }

    private async ValueTask<(string Method, ClientReply Reply)> AttemptNextAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (_current is null)
            {
                // What is under way is answered next, whatever the list says now.
                _current = _publicKey.IsUnderWay ? _publicKey : NextMethod();
                if (_current is null)
                {
                    Logger.LogDebug("No more authentication methods to try.");
                    throw _report.PermissionDenied(_canContinue);
                }
                Logger.LogDebug("Next authentication method: {Method}", _current.Name);
            }
            if (await _current.AttemptAsync(cancellationToken).ConfigureAwait(false) is { } reply)
                return (_current.Name, reply);
            _exhausted.Add(_current);
            _current = null;
        }
    }

    private ClientMethod? NextMethod() => _conversation.Options.PreferredAuthentications
        .Where(name => _canContinue.Contains(name) && _conversation.Options.Credentials.Any(c => c.Method == name))
        .Select(name => _methods.Find(m => m.Name == name && !_exhausted.Contains(m)))
        .FirstOrDefault(m => m is not null);
}
