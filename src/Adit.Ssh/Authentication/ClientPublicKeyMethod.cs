using Adit.Ssh.Keys;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Authentication;

/// <summary>"publickey" on the client: key after key. One whose signature costs nothing (<see cref="ISigner.SignsAtOnce"/>) is sent with it at once; with any other
/// it signs only after the server said that the key would do, because a signature may cost the user a passphrase or a touch. A refusal counts the same for the
/// server's MaxAuthTries either way. Uses publickey-hostbound-v00@openssh.com where the server knows it.</summary>
internal sealed class ClientPublicKeyMethod(ClientConversation conversation, ClientAuthenticationReport report) : ClientMethod, IAsyncDisposable
{
    private readonly ClientKeyring _keyring = new(conversation, report);
    private readonly HashSet<PublicKey> _used = [];
    private Request? _underWay;

    public override string Name => AuthPublicKeyFields.MethodName;

    /// <summary>The key that was tried last.</summary>
    public PublicKey? LastKey { get; private set; }

    private ILogger Logger => conversation.Logger;

    /// <summary>A request is under way whose answer <see cref="AttemptAsync"/> waits for.</summary>
    public bool IsUnderWay => _underWay is not null;

    /// <summary>Sends the first key before the server has said anything, if that disturbs nobody and its algorithm is certain.</summary>
    public async ValueTask SendAheadAsync(CancellationToken cancellationToken)
    {
        if (await _keyring.NextSilentlyAsync(cancellationToken).ConfigureAwait(false) is not { } signer)
            return;
        // What an RSA key signs with depends on server-sig-algs, which may still be on its way.
        bool isCertain = signer.PublicKey.PlainKey.KeyType != KeyAlgorithms.Rsa || conversation.Exchange.Extensions.ServerSignatureAlgorithms is not null;
        if (isCertain && ChooseAlgorithm(signer) is { } algorithm)
            _underWay = await SendFirstAsync(signer, algorithm, cancellationToken).ConfigureAwait(false);
        else
            _keyring.PutBack();
    }

    public override async ValueTask<ClientReply?> AttemptAsync(CancellationToken cancellationToken)
    {
        while (await UnderWayOrNextAsync(cancellationToken).ConfigureAwait(false) is { } request)
        {
            _underWay = null;
            LastKey = request.Signer.PublicKey;
            var reply = await ReceiveAnswerAsync(request, cancellationToken).ConfigureAwait(false)
                ?? await ProveAsync(request, cancellationToken).ConfigureAwait(false);
            if (reply is null)
                continue;
            if (reply.Kind == ClientReplyKind.PartialSuccess)
                report.UsedKey = _used.Add(request.Signer.PublicKey.PlainKey);
            return reply;
        }
        return null;
    }

    /// <summary>The next step may want any key but those already used.</summary>
    public override bool OnPartialSuccess()
    {
        _keyring.Rewind();
        return true;
    }

    public ValueTask DisposeAsync() => _keyring.DisposeAsync();

    private async ValueTask<Request?> UnderWayOrNextAsync(CancellationToken cancellationToken)
    {
        if (_underWay is { } first)
            return first;
        while (await _keyring.NextAsync(cancellationToken).ConfigureAwait(false) is { } signer)
        {
            if (!_used.Contains(signer.PublicKey.PlainKey) && ChooseAlgorithm(signer) is { } algorithm
                && await SendFirstAsync(signer, algorithm, cancellationToken).ConfigureAwait(false) is { } request)
            {
                return request;
            }
        }
        return null;
    }

    /// <summary>Sends the key, signed where that costs nothing; null when it should have signed and could not, and then nothing was sent.</summary>
    private async ValueTask<Request?> SendFirstAsync(ISigner signer, string algorithm, CancellationToken cancellationToken)
    {
        var key = signer.PublicKey;
        Logger.LogDebug("Offering public key: {Comment} {Key}", Comment(signer), key);
        report.OfferedKey = true;
        var fields = Fields(key, algorithm);
        if (signer.SignsAtOnce)
        {
            if (await SignAsync(signer, fields, cancellationToken).ConfigureAwait(false) is not { } signature)
                return null;
            fields = fields with { HasSignature = true, Signature = signature };
        }
        Send(fields);
        return new Request(signer, fields);
    }

    /// <summary>The server's answer to a key; null when it would do and has yet to sign.</summary>
    private async ValueTask<ClientReply?> ReceiveAnswerAsync(Request request, CancellationToken cancellationToken)
    {
        var key = request.Signer.PublicKey;
        var reply = request.Fields.HasSignature
            ? await conversation.ReceiveFinalReplyAsync(cancellationToken).ConfigureAwait(false)
            : await conversation.ReceiveReplyAsync(cancellationToken).ConfigureAwait(false);
        if (reply.Kind == ClientReplyKind.Failure)
            report.Add($"publickey: {Describe(request.Signer)}: the server does not accept this key for this account");
        else
            Logger.LogDebug("Server accepts key: {Comment} {Key}", Comment(request.Signer), key);
        if (reply.Kind != ClientReplyKind.MethodMessage)
            return reply;
        // Some servers answer with the key's type where the algorithm belongs: only the key matters.
        if (!key.Blob.Span.SequenceEqual(reply.Read<AuthPublicKeyOkMessage>().KeyBlob))
            throw SshException.Protocol("the server accepted a key that was not offered");
        return null;
    }

    /// <summary>Signs what the server would take and returns its answer; null when this key cannot sign after all.</summary>
    private async ValueTask<ClientReply?> ProveAsync(Request request, CancellationToken cancellationToken)
    {
        // Anew, for the server may have announced more meanwhile; the algorithm is the one it said yes to.
        var fields = Fields(request.Signer.PublicKey, request.Fields.Algorithm);
        if (await SignAsync(request.Signer, fields, cancellationToken).ConfigureAwait(false) is not { } signature)
            return null;
        Send(fields with { HasSignature = true, Signature = signature });
        var reply = await conversation.ReceiveFinalReplyAsync(cancellationToken).ConfigureAwait(false);
        if (reply.Kind == ClientReplyKind.Failure)
            report.Add($"publickey: {Describe(request.Signer)}: the server asked for a signature and then refused it");
        return reply;
    }

    private string? ChooseAlgorithm(ISigner signer)
    {
        var key = signer.PublicKey;
        var accepted = conversation.Options.PubkeyAcceptedAlgorithms;
        var server = conversation.Exchange.Extensions.ServerSignatureAlgorithms;
        string? algorithm = SignatureAlgorithmChoice.Choose(key, accepted, server);
        if (algorithm is not null)
            return algorithm;
        if (!key.SignatureAlgorithms.Any(accepted.Contains))
        {
            Logger.LogDebug("Skipping {Type} key {Comment} - corresponding algorithm not in PubkeyAcceptedAlgorithms", key.TypeName, Comment(signer));
            report.Add($"publickey: {Describe(signer)}: not offered, its algorithm is not in PubkeyAcceptedAlgorithms");
            return null;
        }
        Logger.LogDebug("send_pubkey_test: no mutual signature algorithm");
        report.Add($"publickey: {Describe(signer)}: not offered, no mutual signature algorithm (the server "
            + (server is null ? "announced none, which leaves only SHA-1" : "takes " + PeerText.Escape(string.Join(',', server), 300)) + ")");
        return null;
    }

    /// <summary>The signature, or null when this key cannot be used after all.</summary>
    private async ValueTask<byte[]?> SignAsync(ISigner signer, AuthPublicKeyFields fields, CancellationToken cancellationToken)
    {
        var key = signer.PublicKey;
        byte[] data = PublicKeySignatureData.Build(conversation.Exchange.SessionId.Span, conversation.Header(MethodName(fields)), fields);
        try
        {
            return await signer.SignAsync(fields.Algorithm, data, cancellationToken).ConfigureAwait(false);
        }
        catch (SshException e)
        {
            string reason = PeerText.Escape(e.Message);
            // A passphrase that was not found is no news to whoever was asked for it; in a script the key simply does not count.
            Logger.Log(e.Error == SshError.WrongPassphrase ? LogLevel.Debug : LogLevel.Error, "sign_and_send_pubkey: signing failed for {Type} \"{Comment}\": {Reason}", key.TypeName, Comment(signer), reason);
            report.Add($"publickey: {Describe(signer)}: signing failed: {reason}", e.Hint);
            return null;
        }
    }

    private AuthPublicKeyFields Fields(PublicKey key, string algorithm)
    {
        bool hostBound = conversation.Options.HostBoundPublicKey && conversation.Exchange.Extensions.HostBoundPublicKey;
        return new AuthPublicKeyFields(false, algorithm, key.Blob.ToArray(), hostBound ? conversation.Exchange.HostKey.Blob.ToArray() : null, null);
    }

    private void Send(AuthPublicKeyFields fields)
    {
        var writer = new SshWriter(1024);
        conversation.Header(MethodName(fields)).Write(ref writer);
        fields.Write(ref writer);
        conversation.Exchange.Send(writer.Written);
    }

    private static string MethodName(AuthPublicKeyFields fields) =>
        fields.HostKeyBlob is null ? AuthPublicKeyFields.MethodName : AuthPublicKeyFields.HostBoundMethodName;

    private static string Comment(ISigner signer) => PeerText.Escape(signer.Comment, 255);

    private static string Describe(ISigner signer) => signer.Comment.Length == 0 ? $"{signer.PublicKey}" : $"{signer.PublicKey} ({Comment(signer)})";

    /// <summary>A key as it was sent, signed or not.</summary>
    private sealed record Request(ISigner Signer, AuthPublicKeyFields Fields);
}
