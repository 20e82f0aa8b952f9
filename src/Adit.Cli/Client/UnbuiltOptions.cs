using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Client;

/// <summary>Options that are read but that this version cannot obey. One that would connect another way, or protect more, ends the run; one that would only
/// do more is told and left out. What is for sessions alone is passed over where there is none.</summary>
internal static class UnbuiltOptions
{
    public static void Check(SshConfigValues config, LogOutput log)
    {
        Refuse(config.RevokedHostKeysFiles.Count > 0, "RevokedHostKeys", "Connecting without it would trust keys that were revoked; -o RevokedHostKeys=none does so.");
        Refuse(config.Get(Keywords.BindInterface) is not null, "BindInterface", "BindAddress (-b) takes an address of this machine.");
        Refuse(config.Get(Keywords.ProxyUseFdpass) && config.Get(Keywords.ProxyCommand) is not null, "ProxyUseFdpass", "The ProxyCommand has to carry the bytes itself.");
        LeaveOut(config.Get(Keywords.Tunnel) != TunnelMode.No, "Tunnel", log);
        LeaveOut(config.Get(Keywords.ChannelTimeout) is { Count: > 0 } timeouts && timeouts is not ["none"], "ChannelTimeout", log);
        LeaveOut(config.Get(Keywords.KnownHostsCommand) is not (null or "none"), "KnownHostsCommand", log);
        LeaveOut(config.Get(Keywords.Pkcs11Provider) is not (null or "none"), "PKCS11Provider", log);
        if (config.Get(Keywords.SessionType) != SessionType.None)
        {
            LeaveOut(config.Get(Keywords.ForwardAgent).Enabled, "agent forwarding (ForwardAgent)", log);
            LeaveOut(config.Get(Keywords.ForwardX11), "X11 forwarding (ForwardX11)", log);
        }
    }

    private static void Refuse(bool isSet, string keyword, string hint)
    {
        if (isSet)
        {
            throw new SshException(SshError.Configuration, $"adit: {keyword} is not built yet in this version.") { Hint = hint };
        }
    }

    private static void LeaveOut(bool isSet, string keyword, LogOutput log)
    {
        if (isSet)
        {
            log.Write(OpenSshLogLevel.Info, $"adit: {keyword} is not built yet in this version and is left out.");
        }
    }
}
