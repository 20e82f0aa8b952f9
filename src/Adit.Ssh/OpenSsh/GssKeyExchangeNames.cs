namespace Adit.Ssh.OpenSsh;

/// <summary>Names of key exchanges by GSSAPI, which Debian's OpenSSH has and this has not: a list of them is only checked.</summary>
internal static class GssKeyExchangeNames
{
    private static readonly string[] Known =
        ["gss-gex-sha1-", "gss-group1-sha1-", "gss-group14-sha1-", "gss-group14-sha256-", "gss-group16-sha512-", "gss-nistp256-sha256-", "gss-curve25519-sha256-"];

    /// <summary>The first name of a list that stands for nothing; null where all are known. A list ends at an empty name.</summary>
    public static string? FindUnknown(string list) => list.Split(',').TakeWhile(name => name.Length > 0).FirstOrDefault(name => !Known.Contains(name));
}
