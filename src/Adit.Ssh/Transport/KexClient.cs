using System.Security.Cryptography;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Transport;

/// <summary>The client's side of a key exchange method: it sends first, and judges the server's signature and its host key.</summary>
internal sealed class KexClient(KexOptions options, ReadOnlyMemory<byte> localVersion, IKexSink sink) : KexSide(SshRole.Client, localVersion)
{
    private readonly ILogger _logger = options.Logger;

    public override void Begin(KexRun run, KeyExchangeAlgorithm method)
    {
        run.Agreement?.Dispose(); // a wrong guess's
        run.Method = method;
        if (method.Kind == KeyExchangeKind.DhGroupExchange)
        {
            // As OpenSSH: the group is as strong as the stronger cipher. A guess is made before the ciphers are known, so it takes the strongest.
            int bits = run.Algorithms is { } algorithms
                ? DhGroup.PreferredBits(Math.Max(SecurityBits(algorithms.ClientToServer), SecurityBits(algorithms.ServerToClient)))
                : DhGroup.MaxBits;
            run.GroupRequest = new KexDhGexRequestMessage(DhGroup.MinBits, (uint)bits, DhGroup.MaxBits);
            KexPacket.Send(sink, run.GroupRequest);
            _logger.LogDebug("SSH2_MSG_KEX_DH_GEX_REQUEST({Min}<{Preferred}<{Max}) sent",
                run.GroupRequest.Min, run.GroupRequest.Preferred, run.GroupRequest.Max);
            run.Expected = MessageId.KexReplyValue;
            return;
        }
        run.Agreement = method.Create();
        SendValue(run, MessageId.KexInitValue, MessageId.KexReplyValue);
    }

    public override ValueTask<KexSecret?> ReceiveAsync(KexRun run, MessageId id, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        if (id != MessageId.KexReplyValue || run.Method!.Kind != KeyExchangeKind.DhGroupExchange)
            return OnReplyAsync(run, payload, cancellationToken);
        OnGroup(run, payload.Span);
        return default;
    }

    private void SendValue(KexRun run, MessageId id, MessageId answer)
    {
        run.ClientValue = run.Agreement!.CreateInit();
        KexPacket.Send(sink, new KexInitValueMessage(id, run.ClientValue));
        run.Expected = answer;
    }

    /// <summary>Group exchange: takes the server's group, which must be of a size we asked for.</summary>
    private void OnGroup(KexRun run, ReadOnlySpan<byte> payload)
    {
        var message = KexPacket.Parse<KexDhGexGroupMessage>(payload);
        var group = new DhGroup(message.Prime.Span, message.Generator.Span);
        if ((uint)group.Bits < run.GroupRequest.Min || (uint)group.Bits > run.GroupRequest.Max)
            throw KexError.GroupOutOfRange(options, group.Bits);
        run.Group = group;
        run.Agreement = run.Method!.Create(group);
        SendValue(run, MessageId.KexDhGexInit, MessageId.KexDhGexReply);
        _logger.LogDebug("SSH2_MSG_KEX_DH_GEX_INIT sent");
    }

    /// <summary>The server's value makes the secret; then its signature, and only then the trust in its key, is decided.</summary>
    private async ValueTask<KexSecret?> OnReplyAsync(KexRun run, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        run.Expected = default; // nothing is right while somebody is asked about the key
        await LeaveWatcherAsync().ConfigureAwait(false);
        run.EnsureAlive();
        var reply = KexPacket.ParseReply(payload.Span);
        byte[] secret = run.Agreement!.Finish(reply.Value.Span);
        try
        {
            var key = PublicKey.Parse(reply.HostKey.Span);
            string algorithm = run.Algorithms!.HostKey;
            if (!key.SignatureAlgorithms.Contains(algorithm))
                throw KexError.KeyTypeMismatch(options, algorithm, key);
            byte[] exchangeHash = ComputeHash(run, reply.HostKey.Span, reply.Value.Span, secret);
            if (!key.Verify(algorithm, exchangeHash, reply.Signature.Span))
                throw KexError.IncorrectSignature(options);

            if (run.IsFirst)
            {
                _logger.LogDebug("Server host key: {Type} {Fingerprint}", key.KeyType, key.Fingerprint);
                await sink.VerifyHostKeyAsync(key, cancellationToken).ConfigureAwait(false);
                run.EnsureAlive();
                HostKey = key;
                HostKeySignature = reply.Signature.ToArray();
            }
            else if (!key.Equals(HostKey))
            {
                throw KexError.HostKeyChanged(options, HostKey!, key);
            }
            return run.Share(secret, exchangeHash);
        }
        catch
        {
            CryptographicOperations.ZeroMemory(secret);
            throw;
        }
    }

    private static int SecurityBits(DirectionAlgorithms algorithms) => Cryptography.Algorithms.FindCipher(algorithms.Cipher)?.SecurityBits ?? 256;
}
