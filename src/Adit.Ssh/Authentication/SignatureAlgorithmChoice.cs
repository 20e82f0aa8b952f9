using Adit.Ssh.Keys;

namespace Adit.Ssh.Authentication;

/// <summary>Which signature algorithm a client uses with a key.</summary>
internal static class SignatureAlgorithmChoice
{
    /// <summary>The first of <paramref name="accepted"/> that the key can make and that the server is known to take; null when there is none.
    /// Only RSA keys have a choice, and only a server that lists rsa-sha2 in server-sig-algs is known to take it (RFC 8308, section 3.1; RFC 8332,
    /// section 3.3); without the list the algorithm is the key's own type. Other keys are not held against the list, because servers are about
    /// that put only their RSA algorithms into it.</summary>
    public static string? Choose(PublicKey key, IReadOnlyList<string> accepted, IReadOnlyList<string>? server)
    {
        bool isRsa = KeyAlgorithms.ToPlain(key.KeyType) == KeyAlgorithms.Rsa;
        foreach (string algorithm in accepted)
        {
            if (!key.SignatureAlgorithms.Contains(algorithm))
                continue;
            if (!isRsa)
                return algorithm;
            if (server is null ? algorithm == key.KeyType : server.Contains(algorithm) || server.Contains(KeyAlgorithms.ToPlain(algorithm)))
                return algorithm;
        }
        return null;
    }
}
