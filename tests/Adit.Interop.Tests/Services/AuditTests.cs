using System.Text.RegularExpressions;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Services;

/// <summary>ssh-audit's opinion of our server's defaults beside that of OpenSSH's. INVARIANTS 30.</summary>
public sealed partial class AuditTests
{
    [Fact]
    public Task Ssh_audit_finds_less_than_in_OpenSSH() => Lab.RunAsync(async lab =>
    {
        Need.Tools("ssh-audit");
        HashSet<string> theirs = await AuditAsync(lab, Peer.OpenSsh);
        HashSet<string> ours = await AuditAsync(lab, Peer.Adit);
        Assert.NotEmpty(theirs); // or the output is not what this test takes it for
        Assert.Empty(ours.Except(theirs));
        Assert.True(ours.Count < theirs.Count, $"{ours.Count} findings, OpenSSH {theirs.Count}:\n{string.Join('\n', ours)}");
    });

    private static async Task<HashSet<string>> AuditAsync(Lab lab, Peer server)
    {
        // The host keys that a fresh installation has; everything else as each program comes.
        Server there = await lab.StartServerAsync(server, new ServerOptions { HostKeyTypes = ["rsa", "ecdsa-256", "ed25519"] });
        ProcessResult result = await lab.RunAsync("ssh-audit", Machine.Tool("ssh-audit"), ["-n", "-4", "-p", Daemons.Text(there.Port), "127.0.0.1"]);
        Assert.Contains("(kex)", result.Output, StringComparison.Ordinal);

        // "(kex) ecdh-sha2-nistp256  -- [fail] …", further findings on lines of their own below.
        var findings = new HashSet<string>(StringComparer.Ordinal);
        string subject = "";
        foreach (string line in result.Output.Split('\n'))
        {
            if (Subject().Match(line) is { Success: true } match)
            {
                subject = match.Groups[1].Value + " " + match.Groups[2].Value;
            }

            // What is newer than this ssh-audit is "unknown" to it: a word about its age, not about the algorithm.
            if (Finding().Match(line) is { Success: true } finding && !finding.Groups[1].Value.Contains("unknown algorithm", StringComparison.Ordinal))
            {
                findings.Add(subject + ": " + finding.Groups[1].Value);
            }
        }

        return findings;
    }

    [GeneratedRegex(@"^\((\w+)\) (\S+)")]
    private static partial Regex Subject();

    [GeneratedRegex(@"(\[(?:fail|warn)\].*?)\s*$")]
    private static partial Regex Finding();
}
