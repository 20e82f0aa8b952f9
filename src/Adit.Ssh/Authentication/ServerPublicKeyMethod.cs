using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Authentication;

/// <summary>"publickey" and "publickey-hostbound-v00@openssh.com" on the server. A query is only ever answered with PK_OK or a failure; a login
/// follows only from a signature that was verified in the same request, for the key in that request.</summary>
internal sealed class ServerPublicKeyMethod(
    IMessageExchange exchange,
    ServerAuthenticationOptions options,
    ServerDecisions decisions,
    ServerAuthenticationLog log,
    IReadOnlyList<CompletedAuthentication> completed)
{
    /// <summary>Takes one request.</summary>
    /// <param name="request">The bytes received.</param>
    /// <param name="newRequest">Makes what the authenticator is asked, from the key, the algorithm and whether the signature was verified.</param>
    /// <param name="cancellationToken">Ends the login.</param>
    public async ValueTask<ServerAttempt> AttemptAsync(
        PublicKeyRequestBytes request, Func<PublicKey, string, bool, PublicKeyRequest> newRequest, CancellationToken cancellationToken)
    {
        var fields = Read(request, out byte[] signedData);
        CheckHostKey(request.Method, fields);
        if (ParseKey(fields) is not { } key)
            return new ServerAttempt(AuthPublicKeyFields.MethodName, AttemptOutcome.Failed);

        var decision = await decisions.DecideAsync(newRequest(key, fields.Algorithm, false) with { IsAskedAgain = fields.HasSignature }, cancellationToken).ConfigureAwait(false);
        if (decision is not (AuthenticationDecision.Accepted or AuthenticationDecision.Partial))
            return ServerAttempt.From(AuthPublicKeyFields.MethodName, decision, key);
        if (!fields.HasSignature)
        {
            exchange.Send(new AuthPublicKeyOkMessage(fields.Algorithm, fields.KeyBlob));
            return new ServerAttempt(AuthPublicKeyFields.MethodName, AttemptOutcome.Postponed) { Key = key };
        }
        var stated = SecurityKeyDemands.Touch | SecurityKeyDemands.Verification; // a key of another kind has nothing to state
        bool verified = key.PlainKey is SecurityKeyPublicKey token
            ? token.Verify(fields.Algorithm, signedData, fields.Signature, out stated)
            : key.Verify(fields.Algorithm, signedData, fields.Signature);
        if (!verified)
            return new ServerAttempt(AuthPublicKeyFields.MethodName, AttemptOutcome.Failed) { Key = key };

        // What was allowed a moment ago is asked again now that it counts.
        decision = await decisions.DecideAsync(newRequest(key, fields.Algorithm, true), cancellationToken).ConfigureAwait(false);
        if (decision is AuthenticationDecision.Accepted or AuthenticationDecision.Partial && (decision.SecurityKey & ~stated) is not SecurityKeyDemands.None and var missing)
        {
            log.KeyRefused($"public key {key} signature rejected: " + (missing.HasFlag(SecurityKeyDemands.Touch)
                ? "user presence (authenticator touch) requirement not met" : "user verification requirement not met"));
            return new ServerAttempt(AuthPublicKeyFields.MethodName, AttemptOutcome.Failed) { Key = key };
        }
        return ServerAttempt.From(AuthPublicKeyFields.MethodName, decision, key);
    }

    private AuthPublicKeyFields Read(PublicKeyRequestBytes request, out byte[] signedData)
    {
        var reader = new SshReader(request.Payload.AsSpan(request.FieldsOffset));
        bool hostBound = request.Method == AuthPublicKeyFields.HostBoundMethodName;
        var fields = AuthPublicKeyFields.Read(ref reader, hostBound, out int unsignedRest);
        var unsigned = request.Payload.AsSpan(0, request.Payload.Length - unsignedRest);
        signedData = fields.HasSignature ? PublicKeySignatureData.OfReceived(exchange.SessionId.Span, unsigned) : [];
        return fields;
    }

    /// <summary>A client that signs over another host key talks, or believes it talks, to another server: somebody is in between.</summary>
    private void CheckHostKey(string method, AuthPublicKeyFields fields)
    {
        if (fields.HostKeyBlob is not null && !exchange.HostKey.Blob.Span.SequenceEqual(fields.HostKeyBlob))
            throw SshException.Protocol($"{method} packet contained wrong host key");
    }

    /// <summary>The key, or null when it cannot be used whoever asks: the reason is logged, the client learns only that it failed.</summary>
    private PublicKey? ParseKey(AuthPublicKeyFields fields)
    {
        if (!options.PubkeyAcceptedAlgorithms.Contains(fields.Algorithm))
            return Refuse($"userauth_pubkey: signature algorithm {PeerText.Escape(fields.Algorithm, 64)} not in PubkeyAcceptedAlgorithms");
        PublicKey key;
        try
        {
            key = PublicKey.Parse(fields.KeyBlob);
        }
        catch (SshException e)
        {
            return Refuse($"userauth_pubkey: parse key: {e.Message}");
        }
        if (!key.SignatureAlgorithms.Contains(fields.Algorithm))
            return Refuse($"userauth_pubkey: type mismatch for decoded key (received {key.KeyType}, expected {PeerText.Escape(fields.Algorithm, 64)})");
        if (completed.Any(c => c.Key is { } used && used.PlainKey.Equals(key.PlainKey)))
            return Refuse($"refusing previously-used {key.TypeName} key");
        return key;
    }

    private PublicKey? Refuse(string reason)
    {
        log.KeyRefused(reason);
        return null;
    }
}
