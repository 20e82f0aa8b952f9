using System.Text;
using Adit.Ssh.OpenSsh;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Tests.OpenSsh;

public sealed class KnownHostsLookupTests : IDisposable
{
    private readonly OpenSshTestFolder _folder = new();
    private readonly string _key = TestKeys.Ed25519.ToText();
    private readonly string _other = TestKeys.OtherEd25519.ToText();

    public void Dispose() => _folder.Dispose();

    private KnownHostStatus Find(string text, string name = "host") => KnownHosts.Load([_folder.Write("known_hosts", text)], name).Find(TestKeys.Ed25519).Status;

    [Fact]
    public void Names_patterns_ports_and_comments()
    {
        Assert.Equal(KnownHostStatus.Ok, Find($"host {_key}\n"));
        Assert.Equal(KnownHostStatus.Ok, Find($"host {_key}"));
        Assert.Equal(KnownHostStatus.Ok, Find($"  \t host \t {_key} a comment\r\n"));
        Assert.Equal(KnownHostStatus.Ok, Find($"a,HOST,b {_key}\n"));
        Assert.Equal(KnownHostStatus.Ok, Find($"h?s* {_key}\n"));
        Assert.Equal(KnownHostStatus.Unknown, Find($"h?s*,!host {_key}\n"));
        Assert.Equal(KnownHostStatus.Unknown, Find($"#host {_key}\n\n\n"));
        Assert.Equal(KnownHostStatus.Unknown, Find($"host {_key}\n", "[host]:2222"));
        Assert.Equal(KnownHostStatus.Ok, Find($"[host]:2222 {_key}\n", "[host]:2222"));
        Assert.Equal(KnownHostStatus.Ok, Find($"[*]:2222 {_key}\n", "[host]:2222"));
        Assert.Equal(KnownHostStatus.Unknown, Find(""));
    }

    [Fact]
    public void One_of_several_keys_is_enough()
    {
        Assert.Equal(KnownHostStatus.Ok, Find($"host {_other}\nhost {_key}\nhost {TestKeys.Rsa.ToText()}\n"));
        Assert.Equal(KnownHostStatus.Changed, Find($"host {_other}\n"));
        Assert.Equal(KnownHostStatus.Changed, Find($"host {TestKeys.Ecdsa.ToText()}\n"));
    }

    [Fact]
    public void The_offending_line_is_named()
    {
        string first = _folder.Write("first", $"# x\nother {_key}\n"), second = _folder.Write("second", $"\n\nhost {_other}\n");
        var result = KnownHosts.Load([first, _folder["missing"], second], "host").Find(TestKeys.Ed25519);
        Assert.Equal((KnownHostStatus.Changed, second, 3), (result.Status, result.Entry!.File, result.Entry.Line));
    }

    // INVARIANTS 10: @revoked wins over everything, wherever it stands.
    [Fact]
    public void Revoked_wins()
    {
        Assert.Equal(KnownHostStatus.Revoked, Find($"host {_key}\n@revoked host {_key}\n"));
        Assert.Equal(KnownHostStatus.Revoked, Find($"@revoked * {_key}\nhost {_key}\n"));
        Assert.Equal(KnownHostStatus.Ok, Find($"@revoked other {_key}\nhost {_key}\n"));
        Assert.Equal(KnownHostStatus.Unknown, Find($"@revoked host {_other}\n"));
    }

    [Fact]
    public void An_authority_is_not_a_host_key() => Assert.Equal(KnownHostStatus.Unknown, Find($"@cert-authority host {_key}\n"));

    // INVARIANTS 10: a malformed line gives nothing, the lines after it count, and it is reported.
    [Theory]
    [InlineData("host")]
    [InlineData("host #")]
    [InlineData("host ssh-ed25519")]
    [InlineData("host ssh-ed25519 !!!!")]
    [InlineData("host ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA")]
    [InlineData("@unknown host KEY")]
    [InlineData("@revoked,@cert-authority host KEY")]
    [InlineData("@cert-authority @revoked host KEY")]
    [InlineData("@ host KEY")]
    [InlineData("host ssh-rsa BLOB")]
    [InlineData("host SSH-ED25519 BLOB")]
    [InlineData("host ssh-ed25519BLOB")]
    [InlineData("host 1024 35 1234567890")]
    [InlineData("host\0 KEY")]
    [InlineData("|1|bad KEY")]
    [InlineData("|1|AAAA|AAAA KEY")]
    public void A_malformed_line_is_no_key(string line)
    {
        line = line.Replace("KEY", _key).Replace("BLOB", _key.Split(' ')[1]);
        Assert.Equal(KnownHostStatus.Unknown, Find(line + "\n"));
        Assert.Equal(KnownHostStatus.Ok, Find($"{line}\nhost {_key}\n"));
        var log = new ListLogger();
        KnownHosts.Load([_folder["known_hosts"]], "host", log);
        Assert.Contains(log.Lines, entry => entry.Level == LogLevel.Debug && entry.Text.StartsWith($"{_folder["known_hosts"]}:1: parse error in hostkeys file", StringComparison.Ordinal));
    }

    [Fact]
    public void Hashed_names_match_by_their_salt()
    {
        string hash = KnownHostsEntry.HashName("Host");
        Assert.StartsWith("|1|", hash);
        Assert.NotEqual(hash, KnownHostsEntry.HashName("host"));
        Assert.Equal(KnownHostStatus.Ok, Find($"{hash} {_key}\n"));
        Assert.Equal(KnownHostStatus.Unknown, Find($"{hash} {_key}\n", "other"));
        Assert.Equal(KnownHostStatus.Unknown, Find($"{hash},host {_key}\n"));
    }

    [ToolFact("ssh-keygen")]
    public void Ssh_keygen_agrees_about_hashes_and_names()
    {
        string[] names = ["host", "[host]:2222", "::1", "[2001:db8::7]:22022", "a.b.example.com", "10.1.2.3"];
        string file = _folder.Write("known_hosts", string.Concat(names.Select(name => $"{name} {_key}\n")) + $"*.pattern,!no.pattern {_other}\n");
        // Hashed by ssh-keygen, found by us.
        Assert.Equal(0, Tool.Run("ssh-keygen", "-H", "-f", file).ExitCode);
        foreach (string name in names)
        {
            var result = KnownHosts.Load([file], name).Find(TestKeys.Ed25519);
            Assert.Equal(KnownHostStatus.Ok, result.Status);
            Assert.True(result.Entry!.IsHashed);
        }
        // Written by us, found by ssh-keygen.
        string ours = _folder["ours"];
        foreach (string name in names)
            KnownHostsWriter.Append(ours, [name], TestKeys.Ed25519, hash: true);
        KnownHostsWriter.Append(ours, ["plain", "[plain]:23"], TestKeys.Ecdsa, hash: false);
        foreach (string name in names.Concat(["plain", "[plain]:23"]))
            Assert.Equal(0, Tool.Run("ssh-keygen", "-F", name, "-f", ours).ExitCode);
        // The same answer for every name, whichever file.
        foreach (string name in (string[])["x.pattern", "no.pattern", "X.PATTERN", "host2", "plain", "[plain]:22"])
        {
            foreach (string path in (string[])[file, ours])
                Assert.Equal(Tool.Run("ssh-keygen", "-F", name, "-f", path).Output.Length > 0, KnownHosts.Load([path], name).Entries.Count > 0);
        }
    }

    [Fact]
    public void Known_types_come_best_first()
    {
        string file = _folder.Write("known_hosts", $"host {TestKeys.Rsa.ToText()}\nhost {_key}\n@cert-authority *.ca {_key}\n[host]:23 {TestKeys.Ecdsa.ToText()}\n");
        var verifier = KnownHosts.OpenSsh(new KnownHostsOptions { UserFiles = [file], GlobalFiles = [] });
        Assert.Equal(["ssh-ed25519", "ssh-rsa"], verifier.KnownKeyTypes("HOST", 22));
        Assert.Equal(["ecdsa-sha2-nistp256"], verifier.KnownKeyTypes("host", 23));
        Assert.Equal("ssh-ed25519-cert-v01@openssh.com", verifier.KnownKeyTypes("x.ca", 22)[0]);
        Assert.Empty(verifier.KnownKeyTypes("nowhere", 22));
    }

    // INVARIANTS 10 and 30: whatever happens to the bytes of a file, no key but those in it is ever accepted, and reading ends quickly.
    [Fact]
    public void Damaged_files_never_vouch_for_another_key()
    {
        var random = new Random(42);
        byte[] good = Encoding.UTF8.GetBytes($"host {_other}\n@cert-authority *.x {_other}\n{KnownHostsEntry.HashName("host")} {TestKeys.Rsa.ToText()}\n@revoked * {TestKeys.Ecdsa.ToText()}\n");
        for (int i = 0; i < 1000; i++)
        {
            byte[] bad = [.. good];
            for (int edits = random.Next(1, 6); edits > 0; edits--)
                bad[random.Next(bad.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(_folder["known_hosts"], bad);
            foreach (string name in (string[])["host", "a.x", "*", ""])
                Assert.NotEqual(KnownHostStatus.Ok, KnownHosts.Load([_folder["known_hosts"]], name).Find(TestKeys.Ed25519).Status);
        }
    }

    // INVARIANTS 30: at most a second for a megabyte.
    [Fact]
    public void A_megabyte_of_anything_reads_in_a_second()
    {
        string name = new string('a', 300) + "c";
        string[] worst =
        [
            new('a', 1 << 20),
            new('|', 1 << 20),
            new(',', 1 << 20),
            string.Concat(Enumerable.Repeat("*a", 1 << 19)),
            string.Concat(Enumerable.Repeat("*aaaaaaaaaaaaaaaaaaaaaaaaaaab,", 1 << 15)) + " x y\n",
            string.Concat(Enumerable.Repeat(KnownHostsEntry.HashName("x") + " ssh-ed25519 AAAA\n", 1 << 14)),
            string.Concat(Enumerable.Repeat("* ssh-ed25519 AAAA\n", 1 << 15)),
        ];
        foreach (string text in worst)
            Quickly.Run(() => Assert.Equal(KnownHostStatus.Unknown, Find(text, name)));
    }
}
