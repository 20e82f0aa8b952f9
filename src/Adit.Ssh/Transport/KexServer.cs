using System.Security.Cryptography;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Transport;

/// <summary>The server's side of a key exchange method: it waits for the client's value and signs what was said with its host key.</summary>
internal sealed class KexServer(KexOptions options, ReadOnlyMemory<byte> localVersion, IKexSink sink) : KexSide(SshRole.Server, localVersion)
{
    private ISigner? _signer;

    public override void Begin(KexRun run, KeyExchangeAlgorithm method)
    {
        run.Method = method;
        // The old group request (30 in a group exchange) is refused: whatever speaks it has better methods too.
        run.Expected = method.Kind == KeyExchangeKind.DhGroupExchange ? MessageId.KexDhGexRequest : MessageId.KexInitValue;
    }

    public override ValueTask<KexSecret?> ReceiveAsync(KexRun run, MessageId id, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        if (id != MessageId.KexDhGexRequest)
            return OnClientValueAsync(run, id, payload, cancellationToken);
        OnGroupRequest(run, payload.Span);
        return default;
    }

    /// <summary>Group exchange: chooses a group.</summary>
    private void OnGroupRequest(KexRun run, ReadOnlySpan<byte> payload)
    {
        var request = KexPacket.Parse<KexDhGexRequestMessage>(payload);
        run.GroupRequest = request;
        run.Group = options.Moduli().Choose(request.Min, request.Preferred, request.Max);
        KexPacket.Send(sink, new KexDhGexGroupMessage(run.Group.Prime.ToArray(), run.Group.Generator.ToArray()));
        options.Logger.LogDebug("SSH2_MSG_KEX_DH_GEX_GROUP sent");
        run.Expected = MessageId.KexDhGexInit;
    }

    /// <summary>The client's value makes the secret; the host key signs what was said.</summary>
    private async ValueTask<KexSecret?> OnClientValueAsync(KexRun run, MessageId id, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        run.Expected = default; // nothing is right while we sign
        await LeaveWatcherAsync().ConfigureAwait(false);
        run.EnsureAlive();
        run.ClientValue = KexPacket.ParseClientValue(payload.Span).Value.ToArray();
        run.Agreement = run.Group is { } group ? run.Method!.Create(group) : run.Method!.Create();
        byte[] value = run.Agreement.Respond(run.ClientValue, out byte[] secret);
        try
        {
            string algorithm = run.Algorithms!.HostKey;
            var signer = ChooseHostKey(algorithm);
            var hostKey = signer.PublicKey;
            byte[] exchangeHash = ComputeHash(run, hostKey.Blob.Span, value, secret);
            byte[] signature = await signer.SignAsync(algorithm, exchangeHash, cancellationToken).ConfigureAwait(false);
            run.EnsureAlive();

            var reply = id == MessageId.KexInitValue ? MessageId.KexReplyValue : MessageId.KexDhGexReply;
            KexPacket.Send(sink, new KexReplyValueMessage(reply, hostKey.Blob, value, signature));
            (_signer, HostKey) = (signer, hostKey);
            return run.Share(secret, exchangeHash);
        }
        catch
        {
            CryptographicOperations.ZeroMemory(secret);
            throw;
        }
    }

    /// <summary>The key that signed before, if it can again: a client that rekeys must find the same.</summary>
    private ISigner ChooseHostKey(string algorithm)
    {
        if (_signer is { } signer && signer.PublicKey.SignatureAlgorithms.Contains(algorithm))
            return signer;
        return options.HostKeys.FirstOrDefault(key => key.PublicKey.SignatureAlgorithms.Contains(algorithm))
            ?? throw KexError.NoHostKey(options, algorithm);
    }
}
