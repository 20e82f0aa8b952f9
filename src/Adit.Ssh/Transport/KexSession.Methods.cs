using System.Security.Cryptography;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Transport;

/// <content>The messages between KEXINIT and NEWKEYS.</content>
internal sealed partial class KexSession
{
    /// <summary>Client: the method's first packet.</summary>
    private void SendClientFirst(KexRun run)
    {
        var method = run.Method!;
        if (method.Kind == KeyExchangeKind.DhGroupExchange)
        {
            // As OpenSSH: the group is as strong as the stronger cipher. A guess is made before the ciphers are known, so it takes the strongest.
            int bits = run.Algorithms is { } algorithms
                ? DhGroup.PreferredBits(Math.Max(SecurityBits(algorithms.ClientToServer), SecurityBits(algorithms.ServerToClient)))
                : DhGroup.MaxBits;
            run.GroupRequest = new KexDhGexRequestMessage(DhGroup.MinBits, (uint)bits, DhGroup.MaxBits);
            KexPacket.Send(_sink, run.GroupRequest);
            _logger.LogDebug("SSH2_MSG_KEX_DH_GEX_REQUEST({Min}<{Preferred}<{Max}) sent",
                run.GroupRequest.Min, run.GroupRequest.Preferred, run.GroupRequest.Max);
            run.Expected = MessageId.KexReplyValue;
            return;
        }
        run.Agreement = method.Create();
        SendClientValue(run, MessageId.KexInitValue, MessageId.KexReplyValue);
    }

    private void SendClientValue(KexRun run, MessageId id, MessageId answer)
    {
        run.ClientValue = run.Agreement!.CreateInit();
        KexPacket.Send(_sink, new KexInitValueMessage(id, run.ClientValue));
        run.Expected = answer;
    }

    /// <summary>Server: waits for the method's first packet.</summary>
    private static void ExpectClientFirst(KexRun run, KeyExchangeAlgorithm method)
    {
        run.Method = method;
        // The old group request (30 in a group exchange) is refused: whatever speaks it has better methods too.
        run.Expected = method.Kind == KeyExchangeKind.DhGroupExchange ? MessageId.KexDhGexRequest : MessageId.KexInitValue;
    }

    /// <summary>Server, group exchange: chooses a group.</summary>
    private void OnGroupRequest(KexRun run, ReadOnlySpan<byte> payload)
    {
        var request = KexPacket.Parse<KexDhGexRequestMessage>(payload);
        run.GroupRequest = request;
        run.Group = _options.Moduli().Choose(request.Min, request.Preferred, request.Max);
        KexPacket.Send(_sink, new KexDhGexGroupMessage(run.Group.Prime.ToArray(), run.Group.Generator.ToArray()));
        _logger.LogDebug("SSH2_MSG_KEX_DH_GEX_GROUP sent");
        run.Expected = MessageId.KexDhGexInit;
    }

    /// <summary>Client, group exchange: takes the server's group, which must be of a size we asked for.</summary>
    private void OnGroup(KexRun run, ReadOnlySpan<byte> payload)
    {
        var message = KexPacket.Parse<KexDhGexGroupMessage>(payload);
        var group = new DhGroup(message.Prime.Span, message.Generator.Span);
        if ((uint)group.Bits < run.GroupRequest.Min || (uint)group.Bits > run.GroupRequest.Max)
            throw KexError.GroupOutOfRange(_options, group.Bits);
        run.Group = group;
        run.Agreement = run.Method!.Create(group);
        SendClientValue(run, MessageId.KexDhGexInit, MessageId.KexDhGexReply);
        _logger.LogDebug("SSH2_MSG_KEX_DH_GEX_INIT sent");
    }

    /// <summary>Server: the client's value makes the secret; the host key signs what was said.</summary>
    private async ValueTask OnClientValueAsync(KexRun run, MessageId id, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        run.Expected = default; // nothing is right while we sign
        await LeaveWatcherAsync().ConfigureAwait(false);
        EnsureAlive();
        run.ClientValue = KexPacket.ParseClientValue(payload.Span).Value.ToArray();
        run.Agreement = run.Group is { } group ? run.Method!.Create(group) : run.Method!.Create();
        byte[] value = run.Agreement.Respond(run.ClientValue, out byte[] secret);
        try
        {
            string algorithm = run.Algorithms!.HostKey;
            var signer = ChooseHostKey(algorithm);
            var hostKey = signer.PublicKey;
            byte[] exchangeHash = run.ComputeHash(Role, _localVersion.Span, RemoteVersion.Span, hostKey.Blob.Span, value, secret);
            byte[] signature = await signer.SignAsync(algorithm, exchangeHash, cancellationToken).ConfigureAwait(false);
            EnsureAlive();

            var reply = id == MessageId.KexInitValue ? MessageId.KexReplyValue : MessageId.KexDhGexReply;
            KexPacket.Send(_sink, new KexReplyValueMessage(reply, hostKey.Blob, value, signature));
            (_signer, HostKey) = (signer, hostKey);
            SwitchOutbound(run, secret, exchangeHash);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    /// <summary>Client: the server's value makes the secret; then its signature, and only then the trust in its key, is decided.</summary>
    private async ValueTask OnServerReplyAsync(KexRun run, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        run.Expected = default; // nothing is right while somebody is asked about the key
        await LeaveWatcherAsync().ConfigureAwait(false);
        EnsureAlive();
        var reply = KexPacket.ParseReply(payload.Span);
        byte[] secret = run.Agreement!.Finish(reply.Value.Span);
        try
        {
            var key = PublicKey.Parse(reply.HostKey.Span);
            string algorithm = run.Algorithms!.HostKey;
            if (!key.SignatureAlgorithms.Contains(algorithm))
                throw KexError.KeyTypeMismatch(_options, algorithm, key);
            byte[] exchangeHash = run.ComputeHash(Role, _localVersion.Span, RemoteVersion.Span, reply.HostKey.Span, reply.Value.Span, secret);
            if (!key.Verify(algorithm, exchangeHash, reply.Signature.Span))
                throw KexError.IncorrectSignature(_options);

            if (run.IsFirst)
            {
                _logger.LogDebug("Server host key: {Type} {Fingerprint}", key.KeyType, key.Fingerprint);
                await _sink.VerifyHostKeyAsync(key, cancellationToken).ConfigureAwait(false);
                EnsureAlive();
                HostKey = key;
                HostKeySignature = reply.Signature.ToArray();
            }
            else if (!key.Equals(HostKey))
            {
                throw KexError.HostKeyChanged(_options, HostKey!, key);
            }
            SwitchOutbound(run, secret, exchangeHash);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    /// <summary>Computing takes up to tens of milliseconds (groups of 8192 bits), and a stranger may ask for it again and again: a thread that watches sockets has others waiting.</summary>
    private static async ValueTask LeaveWatcherAsync()
    {
        if (!Thread.CurrentThread.IsThreadPoolThread)
            await Task.Yield();
    }

    /// <summary>The key that signed before, if it can again: a client that rekeys must find the same.</summary>
    private ISigner ChooseHostKey(string algorithm)
    {
        if (_signer is { } signer && signer.PublicKey.SignatureAlgorithms.Contains(algorithm))
            return signer;
        return _options.HostKeys.FirstOrDefault(key => key.PublicKey.SignatureAlgorithms.Contains(algorithm))
            ?? throw KexError.NoHostKey(_options, algorithm);
    }

    private static int SecurityBits(DirectionAlgorithms algorithms) => Cryptography.Algorithms.FindCipher(algorithms.Cipher)?.SecurityBits ?? 256;
}
