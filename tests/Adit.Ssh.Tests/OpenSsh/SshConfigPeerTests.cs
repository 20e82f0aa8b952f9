using Adit.Ssh.OpenSsh;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Tests.OpenSsh;

/// <summary>Our reading of ssh_config beside ssh -G's, over a corpus of configurations.</summary>
public sealed class SshConfigPeerTests : IDisposable
{
    /// <summary>Not compared: what Debian's ssh adds, what is newer than it, and what depends on which algorithms there are.</summary>
    private static readonly string[] NotCompared =
    [
        "gssapi", "ciphers", "kexalgorithms", "macs", "hostkeyalgorithms", "hostbasedacceptedalgorithms", "pubkeyacceptedalgorithms", "casignaturealgorithms",
        "warnweakcrypto", "obscurekeystroketiming", "channeltimeout", "identityfile ~/.ssh/id_xmss", "identityfile ~/.ssh/id_dsa",
    ];

    private readonly OpenSshTestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>Both sides' output, or both sides' errors.</summary>
    private void Same(string config, string host = "host", params string[] options)
    {
        string file = _folder.Write("config", config.Replace("FOLDER", _folder.Path));
        var peer = Tool.Run("ssh", ["-G", "-F", file, "-T", .. options.SelectMany(option => (string[])["-o", option]), host]);
        string expected = peer.ExitCode == 0 ? Compared(peer.Output, config + string.Join(' ', options)) : Errors(peer.Error);

        var log = new ListLogger();
        string actual;
        try
        {
            var context = new SshConfigContext { Logger = log, Execute = command => Tool.Run("sh", "-c", command).ExitCode == 0 };
            actual = Compared(SshConfigDump.Write(SshConfig.Resolve(host, ["RequestTTY no", .. options], SshConfigFiles.Only(file), context)), config + string.Join(' ', options));
        }
        catch (SshException e)
        {
            var lines = log.Lines.Where(line => line.Level == LogLevel.Error).Select(line => line.Text).Append(e.Message).Distinct();
            actual = Errors(string.Join('\n', lines));
        }
        Assert.Equal(expected, actual);
    }

    private static string Compared(string output, string config) =>
        string.Join('\n', output.Replace("canonicalizePermittedcnames", "canonicalizepermittedcnames").Split('\n').Where(line => !NotCompared.Any(start => line.StartsWith(start, StringComparison.Ordinal)) && !IsOtherDefault(line, config)));

    /// <summary>Defaults of Debian's build that are not ours, and keepalives, which we send by default.</summary>
    private static bool IsOtherDefault(string line, string config) =>
        ((line.StartsWith("ipqos", StringComparison.Ordinal) || line.StartsWith("serveraliveinterval", StringComparison.Ordinal) || line.StartsWith("forwardx11trusted", StringComparison.Ordinal)) && !config.Contains(line.Split(' ')[0], StringComparison.OrdinalIgnoreCase))
        || line.StartsWith("requesttty", StringComparison.Ordinal);

    private static string Errors(string text) =>
        string.Join('\n', text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Where(line => !line.StartsWith("Pseudo-terminal", StringComparison.Ordinal) && !line.StartsWith("Unsupported KEX algorithm", StringComparison.Ordinal)));

    [ToolTheory("ssh")]
    [InlineData("")]
    [InlineData("# only a comment\n\n   \t\n")]
    [InlineData("HostName %h.example.com\nUser me\nPort 2222")]
    [InlineData("Port = 24\nuser=x\n\tHOSTNAME \"a b\"")]
    [InlineData("Port ssh")]
    [InlineData("Port 22 # comment\nUser a#b")]
    [InlineData("User 'a b'\nHostKeyAlias \"x\\\"y\"")]
    [InlineData("Port 1\nPort 2\nUser a\nUser b")]
    [InlineData("Host other\nPort 1\nHost host\nPort 2\nHost *\nPort 3\nUser u")]
    [InlineData("Host !host *\nPort 3")]
    [InlineData("Host * !host\nPort 3")]
    [InlineData("Host h?st x\nPort 3\nHost *.example.com\nUser no")]
    [InlineData("Host HOST\nPort 3")]
    [InlineData("Host \"ho st\" host #x\nPort 3")]
    [InlineData("Match all\nPort 7")]
    [InlineData("Match !all\nPort 7")]
    [InlineData("Match host x,ho?t !user nobody\nPort 7")]
    [InlineData("Match host=host\nPort 7")]
    [InlineData("Match host !host,*\nPort 7")]
    [InlineData("Match final\nPort 7")]
    [InlineData("Match canonical\nPort 7")]
    [InlineData("Match originalhost host final\nPort 8\nMatch all\nHostName z")]
    [InlineData("HostName z\nMatch host z\nPort 1")]
    [InlineData("HostName z\nMatch final\nUser q\nHost z\nPort 9\nIdentityFile a\nIdentityFile b\nLocalForward 1 a:2")]
    [InlineData("Match host host # c\nPort 4")]
    [InlineData("Match exec \"test %h-%n-%p = host-host-22\"\nPort 7")]
    [InlineData("Match exec \"false\"\nPort 7\nMatch !exec false\nUser x")]
    [InlineData("Match user nobody exec \"touch FOLDER/ran\"\nPort 7")]
    [InlineData("User me\nMatch user me\nPort 7")]
    [InlineData("IdentityFile ~/a\nIdentityFile ~/a\nIdentityFile b\nCertificateFile c\nCertificateFile c")]
    [InlineData("IdentityFile none")]
    [InlineData("IdentityFile ~/%h\nUserKnownHostsFile ~/%h %p-%n ~/x\nGlobalKnownHostsFile ~/%h /g")]
    [InlineData("UserKnownHostsFile none")]
    [InlineData("UserKnownHostsFile a\nUserKnownHostsFile b c")]
    [InlineData("ControlPath ~/.ssh/%r@%h:%p-%n\nControlMaster auto\nControlPersist 10m")]
    [InlineData("ControlPath %C")]
    [InlineData("ControlPath none\nControlMaster ask\nControlPersist yes")]
    [InlineData("ControlMaster autoask\nControlPersist 0")]
    [InlineData("ControlMaster yes\nControlPersist no")]
    [InlineData("LocalForward 8080 localhost:80\nLocalForward [::1]:81 [::2]:82\nLocalForward 127.0.0.1:1 a:2\nRemoteForward 0 a:1\nRemoteForward *:9 [::1]:8\nDynamicForward 1080\nDynamicForward *:1081")]
    [InlineData("RemoteForward /tmp/%h /tmp/%n\nRemoteForward 7 /tmp/x")]
    [InlineData("LocalForward 1 a:2\nLocalForward 1 a:2\nClearAllForwardings yes")]
    [InlineData("LocalForward 1 a:2\nLocalForward 1 a:2")]
    [InlineData("SendEnv A B\nSendEnv -A C\nSetEnv X=1 \"Y=a b\"\nSetEnv Z=3")]
    [InlineData("SendEnv LC_* LANG\nSendEnv -L*\nSendEnv Q")]
    [InlineData("PermitRemoteOpen a:1 b:*")]
    [InlineData("PermitRemoteOpen none")]
    [InlineData("PermitRemoteOpen any")]
    [InlineData("ProxyJump a,u@b:22")]
    [InlineData("ProxyJump ssh://u@b:22")]
    [InlineData("ProxyJump none\nProxyCommand x")]
    [InlineData("ProxyJump none\nProxyJump y")]
    [InlineData("ProxyJump none\nProxyCommand x\nProxyJump y")]
    [InlineData("ProxyCommand none\nProxyCommand x")]
    [InlineData("ProxyCommand none\nProxyJump y")]
    [InlineData("UserKnownHostsFile ~/.ssh/known_hosts")]
    [InlineData("UserKnownHostsFile ~/.ssh/known_hosts ~/.ssh/known_hosts2")]
    [InlineData("ProxyCommand  nc %h %p # x")]
    [InlineData("ProxyCommand x\nProxyJump y")]
    [InlineData("ProxyJump y\nProxyCommand x")]
    [InlineData("ProxyJump [::1]:22")]
    [InlineData("TunnelDevice 1:2\nTunnel yes")]
    [InlineData("TunnelDevice 1\nTunnel ethernet")]
    [InlineData("TunnelDevice any:any\nTunnel point-to-point")]
    [InlineData("StrictHostKeyChecking off\nUpdateHostKeys yes\nVerifyHostKeyDNS ask")]
    [InlineData("StrictHostKeyChecking accept-new\nVerifyHostKeyDNS yes")]
    [InlineData("StrictHostKeyChecking YES\nCheckHostIP yes\nHashKnownHosts TRUE\nVisualHostKey true\nHostKeyAlias Alias")]
    [InlineData("CanonicalizeHostname always\nCanonicalizePermittedCNAMEs *.a:*.b\nCanonicalizeMaxDots 3\nCanonicalizeFallbackLocal no\nProxyCommand x", "a.b.c.d.e")]
    [InlineData("AddKeysToAgent confirm 1h")]
    [InlineData("AddKeysToAgent 1h")]
    [InlineData("AddKeysToAgent confirm")]
    [InlineData("AddKeysToAgent ask")]
    [InlineData("AddKeysToAgent yes")]
    [InlineData("ForwardAgent /tmp")]
    [InlineData("ForwardAgent yes\nForwardX11 yes\nForwardX11Trusted no\nForwardX11Timeout 1m\nXAuthLocation /x")]
    [InlineData("LogLevel DEBUG1\nSyslogFacility local3")]
    [InlineData("LogLevel VERBOSE\nHost other\nSyslogFacility AUTH\nStreamLocalBindMask 0022")]
    [InlineData("RequestTTY force\nSessionType subsystem\nStdinNull yes\nForkAfterAuthentication no\nPubkeyAuthentication host-bound")]
    [InlineData("PubkeyAuthentication unbound\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPreferredAuthentications a,b\nKbdInteractiveDevices x\nNumberOfPasswordPrompts 1")]
    [InlineData("ChallengeResponseAuthentication no\nDSAAuthentication no\nKeepAlive no\nIdentityFile2 x")]
    [InlineData("FingerprintHash md5\nBatchMode no\nCompression YES\nGatewayPorts yes\nExitOnForwardFailure yes\nStreamLocalBindUnlink yes")]
    [InlineData("StreamLocalBindMask 0022\nStreamLocalBindMask 07")]
    [InlineData("ConnectTimeout none\nConnectionAttempts 3\nServerAliveInterval 1h\nServerAliveCountMax 2\nTCPKeepAlive No\nRequiredRSASize 2048")]
    [InlineData("ServerAliveInterval 0")]
    [InlineData("ConnectTimeout 1m30s\nAddressFamily INET6\nBindAddress a\nBindInterface b")]
    [InlineData("RekeyLimit 1G 1h")]
    [InlineData("RekeyLimit default none")]
    [InlineData("RekeyLimit 1.5M")]
    [InlineData("IPQoS af21")]
    [InlineData("IPQoS 0x10 none")]
    [InlineData("IPQoS le 255")]
    [InlineData("EscapeChar none")]
    [InlineData("EscapeChar x")]
    [InlineData("LocalCommand a \"b\" # c\nPermitLocalCommand yes\nKnownHostsCommand /bin/x a")]
    [InlineData("RemoteCommand run %h %n %%")]
    [InlineData("IdentityAgent none\nIdentitiesOnly yes\nNoHostAuthenticationForLocalhost yes\nHostbasedAuthentication yes\nEnableSSHKeysign yes\nProxyUseFdpass yes\nEnableEscapeCommandline yes")]
    [InlineData("IdentityAgent $AGENT\nPKCS11Provider x\nSecurityKeyProvider y\nRevokedHostKeys /z\nCanonicalDomains A b.")]
    [InlineData("IdentityAgent ~/%h")]
    [InlineData("IdentityAgent SSH_AUTH_SOCK")]
    [InlineData("IgnoreUnknown F*,Goo\nFoo bar\nGoo x\nPort 3")]
    [InlineData("Protocol 2\nCipher x\nUseRoaming no\nGSSAPIAuthentication yes\nUsePrivilegedPort no\nFallBackToRsh no")]
    [InlineData("Port 27 \f\r\n\r\nUser x\r")]
    [InlineData("", "HOST.Example")]
    [InlineData("", "::1")]
    [InlineData("", "127.0.1")]
    [InlineData("HostName ::1\nHost HOST\nPort 4", "HOST")]
    public void Configurations_mean_the_same(string config, string host = "host") => Same(config, host);

    [ToolTheory("ssh")]
    [InlineData("Foo bar")]
    [InlineData("Foo")]
    [InlineData("Foo=bar\nPort x\n\"Bar\" y\nUser z")]
    [InlineData("IgnoreUnknown F*\nGoo bar")]
    [InlineData("Host other\nFoo bar\nPort x")]
    [InlineData("Port \"22")]
    [InlineData("ProxyCommand a \"b")]
    [InlineData("\u0001x y")]
    [InlineData("Port 22 33")]
    [InlineData("LocalForward 1 a:2 b")]
    [InlineData("LocalForward 1:a:2")]
    [InlineData("LocalForward 0 a:1")]
    [InlineData("LocalForward x a:1")]
    [InlineData("RemoteForward 1 a:0")]
    [InlineData("RemoteForward x!")]
    [InlineData("DynamicForward x!")]
    [InlineData("Match foo bar")]
    [InlineData("Match host")]
    [InlineData("Match \"\"")]
    [InlineData("Match all user x")]
    [InlineData("Host \"\"")]
    [InlineData("Include \"\"")]
    [InlineData("Port x")]
    [InlineData("Port 0")]
    [InlineData("Port 65536")]
    [InlineData("Port -1")]
    [InlineData("RekeyLimit 15")]
    [InlineData("RekeyLimit 1K 1x")]
    [InlineData("RekeyLimit 1K 1h x")]
    [InlineData("RekeyLimit x")]
    [InlineData("AddKeysToAgent confirm 1x")]
    [InlineData("AddKeysToAgent yes 1h")]
    [InlineData("AddKeysToAgent \"\"")]
    [InlineData("AddKeysToAgent x")]
    [InlineData("ConnectionAttempts -1")]
    [InlineData("ConnectionAttempts 99999999999")]
    [InlineData("ConnectionAttempts x")]
    [InlineData("ConnectionAttempts \"\"")]
    [InlineData("NumberOfPasswordPrompts 0x10")]
    [InlineData("ConnectTimeout x")]
    [InlineData("ConnectTimeout \"\"")]
    [InlineData("ServerAliveInterval -1")]
    [InlineData("ForwardX11Timeout 99999999999")]
    [InlineData("IPQoS a b")]
    [InlineData("IPQoS 256")]
    [InlineData("SetEnv A")]
    [InlineData("SetEnv =x")]
    [InlineData("SendEnv A=B")]
    [InlineData("SendEnv \"\"")]
    [InlineData("PermitRemoteOpen any a:1")]
    [InlineData("UserKnownHostsFile none a")]
    [InlineData("UserKnownHostsFile \"\"")]
    [InlineData("CanonicalDomains none a")]
    [InlineData("CanonicalDomains .")]
    [InlineData("CanonicalDomains a..b")]
    [InlineData("CanonicalDomains -a")]
    [InlineData("CanonicalDomains a!")]
    [InlineData("CanonicalizePermittedCNAMEs none a:b")]
    [InlineData("CanonicalizePermittedCNAMEs a")]
    [InlineData("StreamLocalBindMask 01000")]
    [InlineData("StreamLocalBindMask 8")]
    [InlineData("StreamLocalBindMask \"\"")]
    [InlineData("EscapeChar ^CC")]
    [InlineData("EscapeChar \"\"")]
    [InlineData("TunnelDevice x")]
    [InlineData("Tunnel x")]
    [InlineData("ProxyJump a,,")]
    [InlineData("ProxyJump a:0")]
    [InlineData("ProxyJump %h:%p")]
    [InlineData("ProxyJump ::1")]
    [InlineData("ControlPersist -1")]
    [InlineData("ControlPersist \"\"")]
    [InlineData("ControlMaster x")]
    [InlineData("FingerprintHash x")]
    [InlineData("LogLevel x")]
    [InlineData("SyslogFacility CRON")]
    [InlineData("AddressFamily unspec")]
    [InlineData("Compression true")]
    [InlineData("BatchMode x")]
    [InlineData("BatchMode \"\"")]
    [InlineData("BatchMode yes no")]
    [InlineData("ForwardAgent \"\"")]
    [InlineData("User \"\"")]
    [InlineData("Ciphers x!")]
    [InlineData("Ciphers +nope")]
    [InlineData("Ciphers \"\"")]
    [InlineData("MACs nope")]
    [InlineData("KexAlgorithms nope")]
    [InlineData("HostKeyAlgorithms nope")]
    [InlineData("PubkeyAcceptedKeyTypes nope")]
    [InlineData("CASignatureAlgorithms nope")]
    public void Errors_are_worded_the_same(string config) => Same(config);

    [ToolTheory("ssh")]
    [InlineData("Port=77")]
    [InlineData("Port 77", "Port 78", "User x")]
    [InlineData("LocalForward=1 a:2", "IdentityFile x", "IdentityFile y")]
    [InlineData("#")]
    [InlineData("")]
    [InlineData("Foo bar")]
    [InlineData("Port")]
    [InlineData("Port=x")]
    [InlineData("Port 22 33")]
    [InlineData("LocalForward 1:a:2")]
    [InlineData("Host x")]
    [InlineData("Match all")]
    [InlineData("Include x")]
    public void Command_lines_mean_the_same(params string[] options) => Same("Port 99\nUser y\nIdentityFile z\nLocalForward 3 b:4\n", "host", options);

    [ToolFact("ssh")]
    public void Includes_mean_the_same()
    {
        Directory.CreateDirectory(_folder["d"]);
        _folder.Write("d/10-a.conf", "Port 99\nHost other\nUser nope\n");
        _folder.Write("d/20-b.conf", "User b\nInclude FOLDER/d/deep\n".Replace("FOLDER", _folder.Path));
        _folder.Write("d/deep", "HostKeyAlias deep\nMatch host nobody\nPort 1\n");
        _folder.Write("d/.hidden.conf", "Foo bar\n");
        // What a Host line in an included file does ends with it, and a file included from a block that does not match stays without effect.
        Same("Include FOLDER/d/*.conf\nConnectTimeout 7\n");
        Same("Host other\nInclude FOLDER/d/10-a.conf FOLDER/d/20-b.conf\nHost host\nConnectTimeout 7\n");
        Same("Include FOLDER/none/* /nonexistent\nInclude ~nosuchuser/x\nPort 3");
        Same("Include FOLDER/d/[1]0-?.conf\nUser c");

        _folder.Write("d/bad", "Port 1\nFoo bar\n");
        Same("Include FOLDER/d/bad\nPort x");
        _folder.Write("d/open", "Port 1\n", "0622");
        Same("Include FOLDER/d/open");
        Same("Include FOLDER/config");
    }

    [ToolFact("ssh")]
    public void What_ssh_prints_we_read_and_print_again()
    {
        string text = Tool.Run("ssh", "-G", "-F", "none", "host").Output;
        string file = _folder.Write("printed", "IgnoreUnknown host\n" + text.Replace("host host\n", ""));
        var values = SshConfig.Resolve("host", [], SshConfigFiles.Only(file), new SshConfigContext());
        Assert.Equal(22, values.Port);
        Assert.Equal(new IpQos(0x10, 0x08), values.Get(SshConfigKeywords.IPQoS));
    }
}
