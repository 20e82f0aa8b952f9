using Adit.Ssh.Keys;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.OpenSsh;

/// <summary>Host certificates.</summary>
internal static class HostCertificates
{
    public static bool IsCertificate(PublicKey key) => false;

    public static PublicKey AuthorityOf(PublicKey key) => key;

    public static string? Check(PublicKey key, string principal, IReadOnlyList<string>? caSignatureAlgorithms, TimeProvider time) => "certificates are not read yet";

    public static void Log(PublicKey key, ILogger log)
    {
    }
}
