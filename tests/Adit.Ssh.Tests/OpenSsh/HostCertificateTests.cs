using System.Net;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.OpenSsh;

/// <summary>Host certificates, made by ssh-keygen.</summary>
public sealed class HostCertificateTests : IDisposable
{
    private readonly OpenSshTestFolder _folder = new();
    private readonly List<string> _lines = [];
    private readonly KnownHostsOptions _options;

    public HostCertificateTests()
    {
        foreach (string name in (string[])["ca", "host"])
            Tool.Run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", _folder[name]);
        _options = new KnownHostsOptions { UserFiles = [_folder["known_hosts"]], GlobalFiles = [], Policy = HostKeyPolicy.Yes, Warn = _lines.Add };
    }

    private string Authority => _folder.Read("ca.pub");

    private string PlainKey => _folder.Read("host.pub");

    public void Dispose() => _folder.Dispose();

    private PublicKey Certify(params string[] arguments)
    {
        var run = Tool.Run("ssh-keygen", ["-q", "-s", _folder["ca"], "-I", "id", "-h", .. arguments, _folder["host.pub"]]);
        Assert.Equal("", run.Error);
        return PublicKey.ParseText(_folder.Read("host-cert.pub"), out _);
    }

    private async Task<HostKeyContext> Verify(PublicKey key, string host = "Host.example.com", int port = 22)
    {
        var context = new HostKeyContext(host, port, IPAddress.Parse("192.0.2.7"), key);
        await KnownHosts.OpenSsh(_options).VerifyAsync(context, CancellationToken.None);
        return context;
    }

    private async Task Refused(SshError error, PublicKey key, string host = "host.example.com", int port = 22) =>
        Assert.Equal(error, (await Assert.ThrowsAsync<SshException>(() => Verify(key, host, port))).Error);

    [ToolFact("ssh-keygen")]
    public async Task A_trusted_authority_vouches_for_its_hosts()
    {
        _folder.Write("known_hosts", $"@cert-authority *.example.com {Authority}");
        var certificate = Certify("-n", "host.example.com,other", "-V", "-1h:+1h");
        await Verify(certificate);
        await Verify(certificate, port: 2222);
        Assert.Empty(_lines);
        Assert.Equal("ssh-ed25519-cert-v01@openssh.com", KnownHosts.OpenSsh(_options).KnownKeyTypes("a.example.com", 22)[0]);
        Assert.Equal($"@cert-authority *.example.com {Authority}", _folder.Read("known_hosts"));
    }

    // INVARIANTS 11: exact principals, validity, host certificates only, no unknown critical options.
    [ToolTheory("ssh-keygen")]
    [InlineData("Certificate invalid: name is not a listed principal", "-n", "other.example.com")]
    [InlineData("Certificate invalid: name is not a listed principal", "-n", "*.example.com")]
    [InlineData("Certificate lacks principal list")]
    [InlineData("Certificate invalid: expired", "-n", "host.example.com", "-V", "-2h:-1h")]
    [InlineData("Certificate invalid: not yet valid", "-n", "host.example.com", "-V", "+1h:+2h")]
    [InlineData("Certificate critical option \"new\" is not supported", "-n", "host.example.com", "-O", "critical:new=1")]
    public async Task A_certificate_that_is_no_good_counts_as_its_plain_key(string reason, params string[] arguments)
    {
        var certificate = Certify(arguments);
        _folder.Write("known_hosts", $"@cert-authority *.example.com {Authority}");
        await Refused(SshError.HostKeyUnknown, certificate);
        Assert.Equal([reason, "No ED25519 host key is known for host.example.com and you have requested strict checking."], _lines);
        _folder.Write("known_hosts", $"@cert-authority *.example.com {Authority}host.example.com {PlainKey}");
        await Verify(certificate);
    }

    [ToolFact("ssh-keygen")]
    public async Task A_user_certificate_is_no_host_certificate()
    {
        Tool.Run("ssh-keygen", "-q", "-s", _folder["ca"], "-I", "id", "-n", "host.example.com", _folder["host.pub"]);
        _folder.Write("known_hosts", $"@cert-authority * {Authority}");
        await Refused(SshError.HostKeyUnknown, PublicKey.ParseText(_folder.Read("host-cert.pub"), out _));
        Assert.Equal("Certificate invalid: not a host certificate", _lines[0]);
    }

    [ToolFact("ssh-keygen")]
    public async Task Another_authority_or_another_host_does_not_count()
    {
        var certificate = Certify("-n", "host.example.com");
        _folder.Write("known_hosts", $"@cert-authority *.example.org {Authority}@cert-authority *.example.com {PlainKey}host.example.com {Authority}");
        await Refused(SshError.HostKeyChanged, certificate);
        _folder.Write("known_hosts", $"host.example.com {_folder.Read("host-cert.pub")}");
        await Refused(SshError.HostKeyChanged, certificate);
    }

    // INVARIANTS 10: a revoked key or authority refuses the certificate, and the plain key in it too.
    [ToolTheory("ssh-keygen")]
    [InlineData("ca.pub")]
    [InlineData("host.pub")]
    public async Task Revocation_beats_certificates(string revoked)
    {
        var certificate = Certify("-n", "host.example.com");
        _folder.Write("known_hosts", $"@cert-authority * {Authority}host.example.com {PlainKey}@revoked * {_folder.Read(revoked)}");
        await Refused(SshError.HostKeyRevoked, certificate);
        Assert.Equal("The ED25519-CERT host key for host.example.com is marked as revoked.", _lines[3]);
        _options.Policy = HostKeyPolicy.No;
        Assert.True((await Verify(certificate)).IsUnsafe);
    }

    [ToolFact("ssh-keygen")]
    public async Task The_authority_s_algorithm_must_be_allowed()
    {
        _folder.Write("known_hosts", $"@cert-authority * {Authority}");
        var certificate = Certify("-n", "host.example.com");
        _options.CASignatureAlgorithms = ["rsa-sha2-512"];
        await Refused(SshError.HostKeyUnknown, certificate);
        Assert.Equal("Certificate signed with disallowed algorithm ssh-ed25519", _lines[0]);
    }

    [ToolFact("ssh-keygen")]
    public async Task A_new_certificate_is_recorded_as_its_plain_key()
    {
        _options.Policy = HostKeyPolicy.AcceptNew;
        await Verify(Certify("-n", "host.example.com"));
        Assert.StartsWith("host.example.com ssh-ed25519 ", _folder.Read("known_hosts"));
        Assert.Equal(["Warning: Permanently added 'host.example.com' (ED25519) to the list of known hosts."], _lines);
    }
}
