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
            Send(run.GroupRequest);
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
        var writer = new SshWriter(run.ClientValue.Length + 8);
        new KexInitValueMessage(id, run.ClientValue).Write(ref writer);
        _sink.SendKexPacket(writer.Written);
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
        var reader = new SshReader(payload);
        reader.ReadByte();
        var request = KexDhGexRequestMessage.Read(ref reader);
        run.GroupRequest = request;
        run.Group = _options.Moduli.Choose(request.Min, request.Preferred, request.Max);
        Send(new KexDhGexGroupMessage(run.Group.Prime.ToArray(), run.Group.Generator.ToArray()));
        _logger.LogDebug("SSH2_MSG_KEX_DH_GEX_GROUP sent");
        run.Expected = MessageId.KexDhGexInit;
    }

    /// <summary>Client, group exchange: takes the server's group, which must be of a size we asked for.</summary>
    private void OnGroup(KexRun run, ReadOnlySpan<byte> payload)
    {
        var reader = new SshReader(payload);
        reader.ReadByte();
        var message = KexDhGexGroupMessage.Read(ref reader);
        var group = new DhGroup(message.Prime.Span, message.Generator.Span);
        if ((uint)group.Bits < run.GroupRequest.Min || (uint)group.Bits > run.GroupRequest.Max)
            throw Failed("DH GEX group out of range");
        run.Group = group;
        run.Agreement = run.Method!.Create(group);
        SendClientValue(run, MessageId.KexDhGexInit, MessageId.KexDhGexReply);
        _logger.LogDebug("SSH2_MSG_KEX_DH_GEX_INIT sent");
    }

    /// <summary>Server: the client's value makes the secret; the host key signs what was said.</summary>
    private async ValueTask OnClientValueAsync(KexRun run, MessageId id, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        run.ClientValue = ReadClientValue(id, payload.Span);
        run.Expected = default; // nothing is right while we sign
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
            SendReply(new KexReplyValueMessage(reply, hostKey.Blob, value, signature));
            (_signer, HostKey) = (signer, hostKey);
            SwitchOutbound(run, secret, exchangeHash);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    /// <summary>Client: the server's value makes the secret; then its signature, and only then the trust in its key, is decided.</summary>
    private async ValueTask OnServerReplyAsync(KexRun run, MessageId id, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        var reply = ReadReply(id, payload.Span);
        run.Expected = default; // nothing is right while somebody is asked about the key
        byte[] secret = run.Agreement!.Finish(reply.Value.Span);
        try
        {
            var key = PublicKey.Parse(reply.HostKey.Span);
            string algorithm = run.Algorithms!.HostKey;
            if (!key.SignatureAlgorithms.Contains(algorithm))
                throw Failed("key type does not match", hint: $"The server agreed on {algorithm} and sent a host key of type {key.KeyType}.");
            byte[] exchangeHash = run.ComputeHash(Role, _localVersion.Span, RemoteVersion.Span, reply.HostKey.Span, reply.Value.Span, secret);
            if (!key.Verify(algorithm, exchangeHash, reply.Signature.Span))
                throw Failed("incorrect signature", hint: "The server's signature over the key exchange is wrong: it does not have the key it shows, "
                    + "or somebody changed the messages on their way.");

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
                throw HostKeyChangedAtRekey(key);
            }
            SwitchOutbound(run, secret, exchangeHash);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private SshException HostKeyChangedAtRekey(PublicKey key) =>
        new(SshError.HostKeyChanged, $"Connection to {_options.RemoteAddress} port {_options.RemotePort}: host key changed during rekeying")
        {
            DisconnectReason = DisconnectReason.HostKeyNotVerifiable,
            Hint = $"The connection began with {HostKey!.KeyType} {HostKey.Fingerprint}; the server now shows {key.KeyType} {key.Fingerprint}. "
                + "No honest server does that within a connection.",
        };

    /// <summary>The key that signed before, if it can again: a client that rekeys must find the same.</summary>
    private ISigner ChooseHostKey(string algorithm)
    {
        if (_signer is { } signer && signer.PublicKey.SignatureAlgorithms.Contains(algorithm))
            return signer;
        return _options.HostKeys.FirstOrDefault(key => key.PublicKey.SignatureAlgorithms.Contains(algorithm))
            ?? throw Failed($"no host key for {algorithm}");
    }

    private void SendReply(in KexReplyValueMessage message)
    {
        var writer = new SshWriter(message.HostKey.Length + message.Value.Length + message.Signature.Length + 16);
        message.Write(ref writer);
        _sink.SendKexPacket(writer.Written);
    }

    private static byte[] ReadClientValue(MessageId id, ReadOnlySpan<byte> payload)
    {
        var reader = new SshReader(payload);
        reader.ReadByte();
        return KexInitValueMessage.Read(id, ref reader).Value.ToArray();
    }

    private static KexReplyValueMessage ReadReply(MessageId id, ReadOnlySpan<byte> payload)
    {
        var reader = new SshReader(payload);
        reader.ReadByte();
        return KexReplyValueMessage.Read(id, ref reader);
    }

    private static int SecurityBits(DirectionAlgorithms algorithms) => Cryptography.Algorithms.FindCipher(algorithms.Cipher)?.SecurityBits ?? 256;
}
