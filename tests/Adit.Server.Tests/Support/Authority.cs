using Adit.Ssh.Keys;

namespace Adit.Server.Tests.Support;

/// <summary>Certification authorities, and certificates that ssh-keygen makes with them.</summary>
internal sealed class Authority : IDisposable
{
    private readonly TempFolder _folder = new();

    /// <summary>The sshd_config line that trusts the authority "ca".</summary>
    public string Trust => $"TrustedUserCAKeys {_folder["ca.pub"]}\n";

    /// <summary>The line of authorized_keys about an authority, without options.</summary>
    public string Line(string authority = "ca") => File.ReadAllText(_folder[authority + ".pub"]).Trim();

    /// <summary>A certificate for one and the same key.</summary>
    /// <param name="arguments">ssh-keygen's: "-n alice -O no-pty".</param>
    /// <param name="authority">Who signs.</param>
    public PublicKey Issue(string arguments, string authority = "ca")
    {
        foreach (var name in (string[])[authority, "key"])
        {
            if (!File.Exists(_folder[name]))
            {
                Commands.Run(Need.SshKeygen, "-q", "-t", "ed25519", "-N", "", "-f", _folder[name]);
            }
        }

        Commands.Run(Need.SshKeygen, ["-q", "-s", _folder[authority], "-I", "id\u001b[1m", .. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), _folder["key.pub"]]);
        return KeyFile.ReadPublicKey(_folder["key-cert.pub"], out _);
    }

    /// <summary>The same with its private key: it logs in.</summary>
    public ISigner Certify(string arguments)
    {
        var certificate = (Certificate)Issue(arguments);
        return new CertificateSigner(KeyFile.ReadPrivateKey(_folder["key"]), certificate);
    }

    public void Dispose() => _folder.Dispose();
}
