using System.Net;
using System.Text;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.OpenSsh;

/// <summary>Revocation lists, made and asked by ssh-keygen.</summary>
public sealed class RevokedKeysTests : IDisposable
{
    private readonly OpenSshTestFolder _folder = new();

    public RevokedKeysTests()
    {
        foreach (string name in (string[])["ca", "ca2", "one", "two"])
            Tool.Run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", _folder[name]);
        Certify("ca", "one", "first", 5);
        Certify("ca", "two", "second", 70);
    }

    public void Dispose() => _folder.Dispose();

    private void Certify(string authority, string key, string id, int serial) =>
        Assert.Equal(0, Tool.Run("ssh-keygen", "-q", "-s", _folder[authority], "-I", id, "-z", $"{serial}", "-h", "-n", "host", _folder[$"{key}.pub"]).ExitCode);

    private PublicKey Key(string name) => PublicKey.ParseText(_folder.Read(name), out _);

    [ToolTheory("ssh-keygen")]
    [InlineData("serial: 5")]
    [InlineData("serial: 4-6\nserial: 100")]
    [InlineData("serial: 1-1000")]
    [InlineData("serial: 1\nserial: 3\nserial: 5\nserial: 7\nserial: 9\nserial: 11\nserial: 13\nserial: 70")]
    [InlineData("id: second")]
    [InlineData("id: nobody")]
    [InlineData("key: PUB:one")]
    [InlineData("sha1: PUB:two")]
    [InlineData("sha256: PUB:one")]
    [InlineData("hash: HASH:two")]
    [InlineData("key: PUB:ca")]
    [InlineData("")]
    public void We_agree_with_ssh_keygen(string specification)
    {
        foreach (string name in (string[])["ca", "one", "two"])
            specification = specification.Replace($"PUB:{name}", _folder.Read($"{name}.pub").Trim()).Replace($"HASH:{name}", Key($"{name}.pub").Fingerprint);
        _folder.Write("spec", specification + "\n");
        foreach (string authority in (string[])["ca.pub", "ca2.pub", "none"])
        {
            if (authority == "none" && (specification.StartsWith("serial") || specification.StartsWith("id")))
                continue;
            string[] arguments = authority == "none" ? [] : ["-s", _folder[authority]];
            var made = Tool.Run("ssh-keygen", ["-q", "-k", "-f", _folder["krl"], .. arguments, _folder["spec"]]);
            Assert.Equal(0, made.ExitCode);
            var revoked = RevokedKeys.Load(_folder["krl"]);
            foreach (string name in (string[])["one.pub", "two.pub", "one-cert.pub", "two-cert.pub", "ca.pub"])
                Assert.True((Tool.Run("ssh-keygen", "-Q", "-f", _folder["krl"], _folder[name]).ExitCode != 0) == revoked.Contains(Key(name)), $"{specification} {authority} {name}");
        }
    }

    [ToolFact("ssh-keygen")]
    public void A_text_lists_keys_and_authorities()
    {
        _folder.Write("text", $"# revoked\n\nnonsense\n{_folder.Read("two.pub")}");
        var revoked = RevokedKeys.Load(_folder["text"]);
        Assert.Equal([false, true, false, true], ((string[])["one.pub", "two.pub", "one-cert.pub", "two-cert.pub"]).Select(name => revoked.Contains(Key(name))));
        _folder.Write("text", _folder.Read("ca.pub"));
        revoked = RevokedKeys.Load(_folder["text"]);
        Assert.Equal([false, true, true], ((string[])["one.pub", "one-cert.pub", "two-cert.pub"]).Select(name => revoked.Contains(Key(name))));
    }

    // INVARIANTS 10, 30: what cannot be read is an error, never an empty list, and nothing else happens.
    [ToolFact("ssh-keygen")]
    public void A_damaged_list_is_refused_or_read()
    {
        _folder.Write("spec", "serial: 1-1000\nid: second\n");
        Tool.Run("ssh-keygen", "-q", "-k", "-f", _folder["krl"], "-s", _folder["ca.pub"], _folder["spec"], _folder["one.pub"]);
        byte[] good = File.ReadAllBytes(_folder["krl"]);
        var random = new Random(9);
        for (int length = 8; length < good.Length; length++)
            Read(good.AsSpan(0, length));
        for (int i = 0; i < 5000; i++)
        {
            byte[] bad = [.. good];
            for (int edits = random.Next(1, 4); edits > 0; edits--)
                bad[random.Next(8, bad.Length)] = (byte)random.Next(256);
            Read(bad);
        }
        Assert.Throws<SshException>(() => RevokedKeys.Parse(good.AsSpan(0, 20), "x"));
        Assert.Equal(SshError.FileAccess, Assert.Throws<SshException>(() => RevokedKeys.Load(_folder["missing"])).Error);

        void Read(ReadOnlySpan<byte> content)
        {
            try
            {
                RevokedKeys.Parse(content, "x").Contains(Key("two-cert.pub"));
            }
            catch (SshException e)
            {
                Assert.Equal(SshError.InvalidKey, e.Error);
            }
        }
    }

    // INVARIANTS 10: RevokedHostKeys holds under every policy, and a file that cannot be read refuses all keys.
    [ToolTheory("ssh-keygen")]
    [InlineData(HostKeyPolicy.Ask)]
    [InlineData(HostKeyPolicy.No)]
    public async Task RevokedHostKeys_refuses(HostKeyPolicy policy)
    {
        var lines = new List<string>();
        string key = TestKeys.Ed25519.ToText();
        var options = new KnownHostsOptions
        {
            Policy = policy,
            UserFiles = [_folder.Write("known_hosts", $"host {key}\n")],
            GlobalFiles = [],
            RevokedHostKeys = [_folder.Write("other", TestKeys.Rsa.ToText()), _folder.Write("revoked", key)],
            Warn = lines.Add,
        };
        var context = new HostKeyContext("host", 22, IPAddress.Loopback, TestKeys.Ed25519);
        var error = await Assert.ThrowsAsync<SshException>(async () => await KnownHosts.OpenSsh(options).VerifyAsync(context, CancellationToken.None));
        Assert.Equal((SshError.HostKeyRevoked, "Host key verification failed."), (error.Error, error.Message));
        Assert.Equal([$"Host key ED25519 {TestKeys.Ed25519.Fingerprint} revoked by file {_folder["revoked"]}"], lines);

        options.RevokedHostKeys = [_folder["missing"]];
        await Assert.ThrowsAsync<SshException>(async () => await KnownHosts.OpenSsh(options).VerifyAsync(context, CancellationToken.None));
        Assert.StartsWith("Error checking host key ED25519", lines[^1]);

        options.RevokedHostKeys = [_folder["other"]];
        await KnownHosts.OpenSsh(options).VerifyAsync(context, CancellationToken.None);
    }

    [ToolFact("ssh-keygen")]
    public void A_list_without_its_magic_is_text() => Assert.False(RevokedKeys.Parse(Encoding.ASCII.GetBytes("SSHKRL\n"), "x").Contains(TestKeys.Rsa));
}
