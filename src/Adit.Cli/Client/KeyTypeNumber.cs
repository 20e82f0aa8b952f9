using Adit.Ssh.Keys;

namespace Adit.Cli.Client;

/// <summary>What "ssh -v" calls a kind of key: OpenSSH's own numbers, as of 9.2.</summary>
internal static class KeyTypeNumber
{
    private static readonly (string Name, int Plain, int Certified)[] Rows =
    [
        ("RSA", 0, 4), ("ECDSA", 2, 6), ("ED25519", 3, 7), ("ECDSA-SK", 10, 11), ("ED25519-SK", 12, 13),
    ];

    /// <summary>-1 for no key, and for one that OpenSSH has no number for.</summary>
    public static int Of(PublicKey? key)
    {
        var row = Array.Find(Rows, row => row.Name == key?.PlainKey.TypeName);
        return row.Name is null ? -1 : key is Certificate ? row.Certified : row.Plain;
    }
}
