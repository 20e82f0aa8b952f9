using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.Cryptography;
using Adit.Ssh.OpenSsh;
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Client;

/// <summary>WarnWeakCrypto: says so where a connection's keys were agreed on in a way that a quantum computer could undo later.</summary>
internal static class WeakCrypto
{
    /// <summary>What to call when the connection stands; null where it is not to be said. Unless the configuration asks for it, only a person at a terminal is told: scripts
    /// that knew OpenSSH before 10.1 expect silence.</summary>
    public static Action<SshClient>? Warning(SshConfigValues config, LogOutput log)
    {
        var wanted = config.IsSet(Keywords.WarnWeakCrypto) ? config.Get(Keywords.WarnWeakCrypto) is "yes" or "true" : log.IsTerminal;
        return !wanted ? null : client =>
        {
            if (Algorithms.IsPostQuantum(client.KeyExchangeAlgorithm))
            {
                return;
            }

            log.Write(OpenSshLogLevel.Info,
                """
                ** WARNING: connection is not using a post-quantum key exchange algorithm.
                ** This session may be vulnerable to "store now, decrypt later" attacks.
                ** The server may need to be upgraded. See https://openssh.com/pq.html
                """);
        };
    }
}
