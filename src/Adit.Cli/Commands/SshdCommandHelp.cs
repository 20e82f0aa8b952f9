using Adit.Cli.Help;
using Adit.Server.Configuration;

namespace Adit.Cli.Commands;

/// <summary>What there is to tell about <c>adit sshd</c>.</summary>
internal static class SshdCommandHelp
{
    public static string Text => HelpPage.Write(Manual);

    public static Manual Manual => new("adit-sshd", 8, "serve logins, commands, SFTP and forwarded ports over SSH",
        """
        adit sshd [-46DdeGiqTtV] [-C connection_spec] [-c host_cert_file]
                  [-E log_file] [-f config_file] [-g login_grace_time]
                  [-h host_key_file] [-o option] [-p port]
        """,
        """
        An SSH server: shells, commands, SFTP and port forwarding. Reads sshd_config(5) and authorized_keys as OpenSSH does. A gateway that only forwards is one setting away: -o MaxSessions=0
        """)
    {
        Groups =
        [
            new("Where it listens, and with which keys",
            [
                new("-p", "port", "listen on this port instead of the configuration's; repeatable"),
                new("-4, -6", null, "IPv4 or IPv6 only"),
                new("-h", "host_key_file", "a host key; repeatable. Default: those of the configuration, or /etc/ssh/ssh_host_*_key") { Kind = ValueKind.File },
                new("-c", "host_cert_file", "a certificate of a host key; repeatable") { Kind = ValueKind.File },
                new("-i", null, "serve one connection on standard input and output"),
            ]),
            new("Configuration",
            [
                new("-f", "config_file", "configuration (default /etc/ssh/sshd_config; none for none)") { Kind = ValueKind.File },
                new("-o", "Keyword=value", "one line of sshd_config(5), before what the file says; repeatable") { Kind = ValueKind.Keyword, Choices = () => SshdKeywordTable.All.Select(keyword => keyword.Name) },
                new("-g", "login_grace_time", "how long a login may take (LoginGraceTime)"),
                new("-t", null, "check the configuration and the host keys, and do no more"),
                new("-T", null, "the same, and print the configuration in force"),
                new("-G", null, "print the configuration in force without looking at host keys"),
                new("-C", "connection_spec", "with -T or -G: for this login, user=...,addr=...,laddr=...,lport=...,host=..."),
            ]),
            new("How it runs, and what it says",
            [
                new("-D", null, "stay in the foreground"),
                new("-d", null, "debug: one connection, then end; up to -ddd"),
                new("-e", null, "log to standard error"),
                new("-E", "log_file", "append the log to a file") { Kind = ValueKind.File },
                new("-q", null, "say nothing"),
                new("-V", null, "print the version"),
                new("--help", null, "print this page"),
                new("-b, -k, -u", "value", "accepted, as OpenSSH does, and without meaning"),
                new("-Q, -R, -r", null, "accepted, as OpenSSH does, and without meaning"),
            ]),
        ],
        Sections =
        [
            new("Without root",
                """
                It serves its own user alone, by key:

                  adit keygen -t ed25519 -f ./host_key
                  adit sshd -D -e -f none -p 2222 -h ./host_key
                """),
            new("Signals",
                """
                SIGHUP makes it read its configuration again; nobody is dropped. SIGTERM stops listening and lets connections live until they end; a second one, or SIGINT, ends them.
                """),
            new("Exit status",
                """
                1 for a bad command line or without host keys, 255 for a bad configuration.
                """),
            new("As a service",
                """
                The Debian package has two units, both disabled until somebody enables them. adit-sshd.service is a login server on the ports of /etc/adit/sshd_config. adit-gateway.service forwards and does nothing else: it runs without root, and reads /etc/adit/gateway_config.
                """, OnHelpPage: false),
        ],
        SeeAlso = ["adit(1)", "adit-sshd_config(5)", "adit-keygen(1)", "sshd(8)", "sshd_config(5)"],
    };
}
