using Adit.Cli.Diagnostics;
using Adit.Ssh.OpenSsh;
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Client;

/// <summary>Options that are read but that this version cannot obey: each would only do more, so it is told and left out.</summary>
internal static class UnbuiltOptions
{
    public static void Check(SshConfigValues config, LogOutput log)
    {
        LeaveOut(config.Get(Keywords.HostbasedAuthentication), "HostbasedAuthentication", log);
        LeaveOut(config.Get(Keywords.VerifyHostKeyDns) != YesNoAsk.No, "VerifyHostKeyDNS", log);
        LeaveOut(config.Get(Keywords.Pkcs11Provider) is not (null or "none"), "PKCS11Provider", log);
    }

    private static void LeaveOut(bool isSet, string keyword, LogOutput log)
    {
        if (isSet)
        {
            log.Write(OpenSshLogLevel.Info, $"adit: {keyword} is not built yet in this version and is left out.");
        }
    }
}
