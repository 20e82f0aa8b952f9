using System.Text;
using Adit.Ssh.Keys;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Adit.Ssh.OpenSsh;

/// <summary>A file of revoked keys (RevokedHostKeys, RevokedKeys): a key revocation list made by ssh-keygen -k, or a text with one public key per line.</summary>
public sealed class RevokedKeys
{
    private const long MaxFileLength = 64 << 20;

    private readonly KeyRevocationList? _list;
    private readonly HashSet<PublicKey> _keys = [];

    private RevokedKeys(KeyRevocationList? list) => _list = list;

    /// <summary>Reads a file. Throws <see cref="SshException"/> (<see cref="SshError.FileAccess"/>, <see cref="SshError.InvalidKey"/>) when it cannot be read or a
    /// list in it is malformed: then it is unknown what is revoked, and the caller must refuse every key.</summary>
    /// <param name="path">The file.</param>
    /// <param name="log">Gets lines of a text that hold no key, at Debug; they are skipped.</param>
    public static RevokedKeys Load(string path, ILogger? log = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        byte[] content;
        try
        {
            content = KnownHostsFile.ReadAll(path, MaxFileLength);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SshException(SshError.FileAccess, $"cannot read revoked keys from {path}: {FileErrors.Describe(e)}", e);
        }
        return Parse(content, path, log);
    }

    /// <summary>Parses a file's content.</summary>
    internal static RevokedKeys Parse(ReadOnlySpan<byte> content, string path, ILogger? log = null)
    {
        if (KeyRevocationList.HasMagic(content))
            return new RevokedKeys(KeyRevocationList.Parse(content));
        var result = new RevokedKeys(null);
        log ??= NullLogger.Instance;
        int number = 0;
        foreach (var range in content.Split((byte)'\n'))
        {
            number++;
            var line = Encoding.UTF8.GetString(content[range]).AsSpan().Trim(" \t\r");
            if (line.IsEmpty || line[0] == '#')
                continue;
            if (KeyText.TryParse(line, out var key, out _, out string? problem))
                result._keys.Add(key.PlainKey);
            else
                log.LogDebug("{Path}:{Line}: not a key: {Problem}", path, number, problem);
        }
        return result;
    }

    /// <summary>True when the key is revoked; for a certificate also when its authority is, or the certificate itself by its number or name.</summary>
    public bool Contains(PublicKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (_list is not null)
            return _list.Contains(key);
        return _keys.Contains(key.PlainKey) || (key is Certificate certificate && _keys.Contains(certificate.AuthorityKey));
    }
}
