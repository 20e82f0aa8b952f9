using Adit.Ssh.Keys;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Authentication;

/// <summary>"publickey" on the client: shows key after key and signs with one only after the server said it would do, because a signature may cost
/// the user a passphrase or a touch. Uses publickey-hostbound-v00@openssh.com where the server knows it.</summary>
internal sealed class ClientPublicKeyMethod(ClientConversation conversation, ClientAuthenticationReport report) : ClientMethod, IAsyncDisposable
{
    private readonly ClientKeyring _keyring = new(conversation, report);
    private readonly HashSet<PublicKey> _used = [];

    public override string Name => AuthPublicKeyFields.MethodName;

    /// <summary>The key that was tried last.</summary>
    public PublicKey? LastKey { get; private set; }

    private ILogger Logger => conversation.Logger;

    public override async ValueTask<ClientReply?> AttemptAsync(CancellationToken cancellationToken)
    {
        while (await _keyring.NextAsync(cancellationToken).ConfigureAwait(false) is { } signer)
        {
            var key = signer.PublicKey;
            if (_used.Contains(key.PlainKey) || ChooseAlgorithm(signer) is not { } algorithm)
                continue;
            LastKey = key;
            var reply = await OfferAsync(signer, algorithm, cancellationToken).ConfigureAwait(false)
                ?? await ProveAsync(signer, algorithm, cancellationToken).ConfigureAwait(false);
            if (reply is null)
                continue;
            if (reply.Kind == ClientReplyKind.PartialSuccess)
                report.UsedKey = _used.Add(key.PlainKey);
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

    /// <summary>Asks whether the key would do; null when it would, otherwise the server's answer.</summary>
    private async ValueTask<ClientReply?> OfferAsync(ISigner signer, string algorithm, CancellationToken cancellationToken)
    {
        var key = signer.PublicKey;
        Logger.LogDebug("Offering public key: {Comment} {Key}", Comment(signer), key);
        report.OfferedKey = true;
        Send(Fields(key, algorithm));
        var reply = await conversation.ReceiveReplyAsync(cancellationToken).ConfigureAwait(false);
        if (reply.Kind != ClientReplyKind.MethodMessage)
        {
            if (reply.Kind == ClientReplyKind.Failure)
                report.Add($"publickey: {Describe(signer)}: the server does not accept this key for this account");
            return reply;
        }
        var ok = reply.Read<AuthPublicKeyOkMessage>();
        // Some servers answer with the key's type where the algorithm belongs: only the key matters.
        if (!key.Blob.Span.SequenceEqual(ok.KeyBlob))
            throw SshException.Protocol("the server accepted a key that was not offered");
        Logger.LogDebug("Server accepts key: {Comment} {Key}", Comment(signer), key);
        return null;
    }

    /// <summary>Signs and returns the server's answer; null when this key cannot sign after all.</summary>
    private async ValueTask<ClientReply?> ProveAsync(ISigner signer, string algorithm, CancellationToken cancellationToken)
    {
        if (await SignAsync(signer, algorithm, cancellationToken).ConfigureAwait(false) is not { } signature)
            return null;
        Send(Fields(signer.PublicKey, algorithm) with { HasSignature = true, Signature = signature });
        var reply = await conversation.ReceiveFinalReplyAsync(cancellationToken).ConfigureAwait(false);
        if (reply.Kind == ClientReplyKind.Failure)
            report.Add($"publickey: {Describe(signer)}: the server asked for a signature and then refused it");
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

    /// <summary>The signature, or null when this key cannot be used after all; then nothing is outstanding, for PK_OK was the whole answer.</summary>
    private async ValueTask<byte[]?> SignAsync(ISigner signer, string algorithm, CancellationToken cancellationToken)
    {
        var key = signer.PublicKey;
        var fields = Fields(key, algorithm);
        byte[] data = PublicKeySignatureData.Build(conversation.Exchange.SessionId.Span, conversation.Header(MethodName(fields)), fields);
        try
        {
            return await signer.SignAsync(algorithm, data, cancellationToken).ConfigureAwait(false);
        }
        catch (SshException e)
        {
            string reason = PeerText.Escape(e.Message);
            Logger.LogError("sign_and_send_pubkey: signing failed for {Type} \"{Comment}\": {Reason}", key.TypeName, Comment(signer), reason);
            report.Add($"publickey: {Describe(signer)}: accepted by the server, but signing failed: {reason}", e.Hint);
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
}
