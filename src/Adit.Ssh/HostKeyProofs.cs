using Adit.Ssh.Connection;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh;

/// <summary>A server's half of OpenSSH's host key rotation: tells a client all the keys it has, and proves that they are its own. See <see cref="HostKeyAnnouncement"/>.</summary>
internal sealed class HostKeyProofs(SshConnection connection, IReadOnlyList<ISigner> hostKeys) : IGlobalRequestHandler
{
    /// <summary>Each is signed for, at the client's word.</summary>
    private const int MaxKeys = 32;

    private readonly IReadOnlyList<ISigner> _plain = [.. hostKeys.Where(key => key.PublicKey is not Certificate).Take(MaxKeys)];

    /// <summary>After login. A client that knows nothing of it passes it over.</summary>
    public void Announce()
    {
        var writer = new SshWriter(1024);
        foreach (var key in _plain)
            writer.WriteString(key.PublicKey.Blob.Span);
        if (_plain.Count > 0)
            connection.Requests.Notify(HostKeyAnnouncement.RequestName, writer.Written);
    }

    /// <summary>Null, a refusal, for keys that are not ours or too many of them.</summary>
    public async ValueTask<byte[]?> HandleAsync(string name, ReadOnlyMemory<byte> data, bool wantReply, CancellationToken cancellationToken)
    {
        if (Find(data.Span) is not { Count: > 0 } wanted)
            return null;
        byte[][] signatures = new byte[wanted.Count][];
        for (int i = 0; i < signatures.Length; i++)
        {
            var key = wanted[i].PublicKey;
            string algorithm = key.KeyType == "ssh-rsa" ? "rsa-sha2-512" : key.KeyType;
            byte[] proof = HostKeyAnnouncement.ProofData(connection.Transport.SessionId.Span, key.Blob.Span);
            signatures[i] = await wanted[i].SignAsync(algorithm, proof, cancellationToken).ConfigureAwait(false);
        }
        var writer = new SshWriter(1024);
        foreach (byte[] signature in signatures)
            writer.WriteString(signature);
        return writer.Written.ToArray();
    }

    private List<ISigner>? Find(ReadOnlySpan<byte> data)
    {
        var wanted = new List<ISigner>();
        var reader = new SshReader(data);
        while (!reader.AtEnd)
        {
            var blob = reader.ReadString();
            ISigner? found = null;
            foreach (var key in _plain)
            {
                if (key.PublicKey.Blob.Span.SequenceEqual(blob))
                    found = key;
            }
            if (found is null || wanted.Contains(found) || wanted.Count == MaxKeys)
                return null;
            wanted.Add(found);
        }
        return wanted;
    }
}
