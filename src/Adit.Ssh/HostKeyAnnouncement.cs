using System.Net;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh;

/// <summary>A client's half of OpenSSH's host key rotation (PROTOCOL, section 2.5). The server says which keys it has, the client has it prove those that it wants to keep.
/// <code>
/// hostkeys-00@openssh.com         string key …                        no reply
/// hostkeys-prove-00@openssh.com   string key …                        reply: string signature …, one for each, over
///                                 string "hostkeys-prove-00@openssh.com" | string session id | string key
/// </code></summary>
internal sealed class HostKeyAnnouncement(
    SshConnection connection, IHostKeyUpdater updater, string host, int port, IPAddress? address, TaskTracker tasks, ILogger logger) : IGlobalRequestHandler
{
    public const string RequestName = "hostkeys-00@openssh.com";
    public const string ProveName = "hostkeys-prove-00@openssh.com";

    private const int MaxKeys = 32;

    private int _taken;

    public ValueTask<byte[]?> HandleAsync(string name, ReadOnlyMemory<byte> data, bool wantReply, CancellationToken cancellationToken)
    {
        // Once is enough, and a person who is asked must not keep other requests waiting.
        if (Interlocked.Exchange(ref _taken, 1) == 0)
            tasks.Add(UpdateAsync(Read(data.Span), cancellationToken));
        return new((byte[]?)null);
    }

    /// <summary>What of a key's signature is signed: shared by both ends.</summary>
    public static byte[] ProofData(ReadOnlySpan<byte> sessionId, ReadOnlySpan<byte> key)
    {
        var writer = new SshWriter(256);
        writer.WriteString(ProveName);
        writer.WriteString(sessionId);
        writer.WriteString(key);
        return writer.Written.ToArray();
    }

    /// <summary>Keys of types that nobody here knows are passed over; so are certificates, which have no place in the request.</summary>
    private List<PublicKey> Read(ReadOnlySpan<byte> data)
    {
        var keys = new List<PublicKey>();
        var reader = new SshReader(data);
        while (!reader.AtEnd && keys.Count < MaxKeys)
        {
            var blob = reader.ReadString();
            try
            {
                if (PublicKey.Parse(blob) is var key && key is not Certificate && !keys.Contains(key))
                    keys.Add(key);
            }
            catch (SshException e)
            {
                logger.LogDebug("client_input_hostkeys: parse key: {Fault}", e.Message);
            }
        }
        return keys;
    }

    private async Task UpdateAsync(List<PublicKey> keys, CancellationToken cancellationToken)
    {
        try
        {
            await Task.Yield();
            await updater.UpdateAsync(new HostKeyOffer(host, port, address, connection.Transport.HostKey, keys, ProveAsync), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SshException or IOException or UnauthorizedAccessException or OperationCanceledException)
        {
            logger.LogDebug("update of known hosts: {Fault}", e.Message);
        }
        catch (Exception e)
        {
            logger.LogError(e, "update of known hosts failed");
        }
    }

    private async ValueTask<bool> ProveAsync(IReadOnlyList<PublicKey> keys, CancellationToken cancellationToken)
    {
        var writer = new SshWriter(1024);
        foreach (var key in keys)
            writer.WriteString(key.Blob.Span);
        byte[]? answer = await connection.Requests.RequestAsync(ProveName, writer.Written).WaitAsync(cancellationToken).ConfigureAwait(false);
        if (answer is null)
        {
            logger.LogDebug("Server failed to confirm ownership of private host keys");
            return false;
        }
        return AreProved(keys, answer);
    }

    private bool AreProved(IReadOnlyList<PublicKey> keys, ReadOnlySpan<byte> answer)
    {
        var reader = new SshReader(answer);
        foreach (var key in keys)
        {
            var signature = reader.ReadString();
            // An RSA key proves itself with what the key exchange would sign with; SHA-1 is no proof.
            string algorithm = new SshReader(signature).ReadText(64);
            bool fits = key.KeyType == "ssh-rsa" ? algorithm is "rsa-sha2-256" or "rsa-sha2-512" : algorithm == key.KeyType;
            if (!fits || !key.Verify(algorithm, ProofData(connection.Transport.SessionId.Span, key.Blob.Span), signature))
            {
                logger.LogError("Server gave bad signature for {Type} key", key.TypeName);
                return false;
            }
        }
        return reader.AtEnd;
    }
}
