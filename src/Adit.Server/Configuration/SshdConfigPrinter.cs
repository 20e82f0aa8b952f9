namespace Adit.Server.Configuration;

/// <summary>What <c>sshd -T</c> prints: one "keyword value" per line, which can be read back as a configuration. In OpenSSH's order; what it does not know comes last.</summary>
public static class SshdConfigPrinter
{
    private const string Order =
        """
        port addressfamily listenaddress usepam logingracetime x11displayoffset maxauthtries maxsessions clientaliveinterval clientalivecountmax requiredrsasize
        streamlocalbindmask unusedconnectiontimeout permitrootlogin ignorerhosts ignoreuserknownhosts hostbasedauthentication hostbasedusesnamefrompacketonly
        pubkeyauthentication passwordauthentication kbdinteractiveauthentication printmotd printlastlog x11forwarding x11uselocalhost permittty permituserrc strictmodes
        tcpkeepalive permitemptypasswords compression gatewayports usedns allowtcpforwarding allowagentforwarding disableforwarding allowstreamlocalforwarding
        streamlocalbindunlink fingerprinthash exposeauthinfo pidfile modulifile xauthlocation ciphers macs banner forcecommand chrootdirectory trustedusercakeys
        revokedkeys securitykeyprovider authorizedprincipalsfile versionaddendum authorizedkeyscommand authorizedkeyscommanduser authorizedprincipalscommand
        authorizedprincipalscommanduser hostkeyagent kexalgorithms casignaturealgorithms hostbasedacceptedalgorithms hostkeyalgorithms pubkeyacceptedalgorithms loglevel
        syslogfacility authorizedkeysfile hostkey hostcertificate allowusers denyusers allowgroups denygroups acceptenv setenv authenticationmethods logverbose
        channeltimeout subsystem maxstartups persourcemaxstartups persourcenetblocksize permittunnel ipqos rekeylimit permitopen permitlisten permituserenvironment
        pubkeyauthoptions
        """;

    private static readonly Lazy<SshdKeyword[]> Rows = new(() =>
    {
        var order = Order.Split([' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries);
        return [.. SshdKeywordTable.All.OrderBy(row => Array.IndexOf(order, row.Name.ToLowerInvariant()) is >= 0 and var place ? place : int.MaxValue)];
    });

    /// <param name="config">For one login where Match blocks shall count.</param>
    /// <param name="hostKeys">The host key files in use.</param>
    public static IEnumerable<string> Print(SshdConfig config, IReadOnlyList<string> hostKeys)
    {
        foreach (var keyword in Rows.Value)
        {
            IEnumerable<string> lines = keyword switch
            {
                _ when keyword == SshdKeywords.ListenAddress => Addresses(config).Select(endpoint => $"listenaddress {endpoint}"),
                _ when keyword == SshdKeywords.HostKey => hostKeys.Select(file => $"hostkey {file}"),
                _ when keyword == SshdKeywords.RemoteForwardTakeoverTimeout && !config.IsSet(keyword) => [], // OpenSSH could not read it back
                _ => keyword.Print(config),
            };
            foreach (var line in lines)
            {
                yield return line;
            }
        }
    }

    /// <summary>Without a ListenAddress OpenSSH prints those of the last port first.</summary>
    private static IEnumerable<System.Net.IPEndPoint> Addresses(SshdConfig config)
    {
        var endpoints = ListenEndpoints.Of(config);
        return config.IsSet(SshdKeywords.ListenAddress) ? endpoints : endpoints.GroupBy(endpoint => endpoint.Port).SelectMany(port => port.Reverse());
    }
}
