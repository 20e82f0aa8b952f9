using Adit.Cli.Help;

namespace Adit.Cli.Commands;

/// <summary>In what <c>adit sshd</c> reads sshd_config otherwise than OpenSSH. The keywords themselves are in OpenSSH's own sshd_config(5).</summary>
internal static class SshdConfigHelp
{
    public static Manual Manual => new("adit-sshd_config", 5, "how adit sshd reads sshd_config(5)", "",
        """
        adit sshd reads OpenSSH's sshd_config: the same file, keywords, Match and Include. This page has the differences alone.
        """)
    {
        Sections =
        [
            new("Defaults",
                """
                ClientAliveInterval is 15 (OpenSSH: 0): a connection whose other end is gone ends after 45 seconds, and its ports become free again. 0 turns it off.
                """),
            new("Not taken",
                """
                What this server does not know or cannot do is told when the configuration is read, by the file's name and line: never passed over in silence.

                  adit sshd -t -f /etc/ssh/sshd_config
                """),
            new("A gateway that only forwards",
                """
                MaxSessions 0 refuses shells, commands and subsystems, and leaves the forwards:

                  MaxSessions 0
                  X11Forwarding no
                  AllowAgentForwarding no
                  PermitOpen intranet.corp:80 db.corp:5432
                """),
            new("What is in force",
                """
                The whole configuration, and the one for a certain login:

                  adit sshd -T
                  adit sshd -T -C user=alice,addr=192.0.2.7
                """),
        ],
        SeeAlso = ["adit-sshd(8)", "sshd_config(5)"],
    };
}
