namespace Adit.Ssh.Keys;

/// <summary>What a security key (FIDO) states in its signature, and what may be demanded of it (OpenSSH's PROTOCOL.u2f, "SSH U2F Signatures").</summary>
[Flags]
public enum SecurityKeyDemands
{
    None = 0,

    /// <summary>Somebody touched the key: user presence.</summary>
    Touch = 1,

    /// <summary>The key knew who it was, by a PIN or a fingerprint: user verification.</summary>
    Verification = 2,
}
