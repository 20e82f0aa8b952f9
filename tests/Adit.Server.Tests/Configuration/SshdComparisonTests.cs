using Adit.Server.Configuration;
using Adit.Server.Tests.Support;

namespace Adit.Server.Tests.Configuration;

/// <summary>The same configuration read by OpenSSH's sshd -T and by us.</summary>
public class SshdComparisonTests
{
    // Defaults and names differ between versions (algorithms), and sshd shows what it was built with.
    private static readonly string[] NotCompared = ["ciphers", "macs", "kexalgorithms", "hostkeyalgorithms", "pubkeyacceptedalgorithms", "casignaturealgorithms"];

    /// <summary>Keywords that OpenSSH does not have.</summary>
    private static readonly string[] OurOwn = ["remoteforwardtakeovertimeout"];

    /// <summary>Their defaults differ on purpose: compared where they are set.</summary>
    private static readonly string[] OtherDefaults = ["clientaliveinterval"];

    [TheoryNeeding(Need.Sshd)]
    [InlineData("")]
    [InlineData("ClientAliveInterval 0")]
    [InlineData("Port 2222\nPort 2200\nAddressFamily inet\nLoginGraceTime 1m30s\nMaxStartups 3:50:9\nPermitRootLogin prohibit-password\nUsePAM no")]
    [InlineData("ListenAddress 127.0.0.1\nListenAddress [::1]:99\nListenAddress ::1\nPort 7\nTCPKeepAlive no\nUseDNS yes\nCompression delayed")]
    [InlineData("AllowUsers a b@10.0.0.0/8\nAllowUsers c\nDenyUsers \"x\"\nAllowGroups g h\nDenyGroups i\nAuthenticationMethods publickey,password publickey,keyboard-interactive")]
    [InlineData("PermitOpen a:1 [::1]:* *:22\nPermitOpen none\nPermitListen 80 h:*\nAllowTcpForwarding all\nAllowStreamLocalForwarding remote\nDisableForwarding yes")]
    [InlineData("RekeyLimit 1G 1h\nLogLevel debug\nBanner /etc/issue\nPidFile none\nVersionAddendum a  b # c\nMaxAuthTries 2\nClientAliveInterval 1m\nClientAliveCountMax 0")]
    [InlineData("ForceCommand echo  a # b\nPermitUserEnvironment LANG,LC_*\nPubkeyAuthOptions verify-required touch-required")]
    [InlineData("AuthorizedKeysFile a %h/b\nStrictModes no\nPermitEmptyPasswords yes\nPasswordAuthentication no\nChallengeResponseAuthentication no\nPubkeyAuthentication no")]
    [InlineData("PermitRootLogin forced-commands-only\nRekeyLimit default 30m\nMaxStartups 10\nLogLevel VERBOSE\nRequiredRSASize 2048\nAllowTcpForwarding local")]
    [InlineData("AcceptEnv LANG LC_*\nAcceptEnv X\nSetEnv A=1 \"B=2 3\"\nMaxSessions 3\nPermitTTY no\nPrintMotd no\nChrootDirectory /srv/%u")]
    [InlineData("Subsystem sftp internal-sftp -f AUTH\nSubsystem other /bin/echo a b")]
    public void Same_effective_values(string text)
    {
        using var folder = new TempFolder();
        var key = folder["key"];
        Commands.Run("/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key);
        var file = folder.Write("config", text + $"\nHostKey {key}\n");

        var theirs = Lines(Commands.Run(Need.Sshd, "-T", "-f", file).Split('\n'));
        var ours = Lines(SshdConfigPrinter.Print(SshdConfig.Load(file), [key]));

        // Where nothing is said, keepalives are on here and off there.
        if (!text.Contains("ClientAliveInterval", StringComparison.Ordinal))
        {
            Assert.Equal(["15"], ours["clientaliveinterval"]);
            Assert.Equal(["0"], theirs["clientaliveinterval"]);
            theirs["clientaliveinterval"] = ours["clientaliveinterval"];
        }

        foreach (var keyword in ours.Keys.Except(NotCompared).Except(OurOwn).Where(keyword => !OtherDefaults.Contains(keyword) || text.Contains(keyword, StringComparison.OrdinalIgnoreCase)))
        {
            Assert.True(theirs.ContainsKey(keyword), keyword);
            Assert.Equal(theirs[keyword].Order(), ours[keyword].Order());
        }

        // Read back, it is the same again.
        var printed = SshdConfigPrinter.Print(SshdConfig.Load(file), [key]).ToArray();
        Assert.Equal(printed, SshdConfigPrinter.Print(SshdConfig.Parse(string.Join('\n', printed)), [key]));
    }

    private static Dictionary<string, string[]> Lines(IEnumerable<string> lines) => lines
        .Where(line => line.Length > 0)
        .GroupBy(line => line.Split(' ')[0], line => line.Contains(' ') ? line[(line.IndexOf(' ') + 1)..] : "")
        .ToDictionary(group => group.Key, group => group.ToArray());

}
