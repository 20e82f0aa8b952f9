namespace Adit.Cli.Commands;

/// <summary>What <c>adit sshd --help</c> prints, and the shorter word after a bad command line.</summary>
internal static class SshdCommandHelp
{
    public const string Usage =
        """
        usage: adit sshd [-46DdeGiqTtV] [-C connection_spec] [-c host_cert_file] [-E log_file]
                         [-f config_file] [-g login_grace_time] [-h host_key_file] [-o option] [-p port]

        """;

    public const string Text = Usage +
        """

        An SSH server: shells, commands, SFTP and port forwarding. Reads sshd_config(5) and authorized_keys as OpenSSH does.
        A gateway that only forwards is one setting away: -o MaxSessions=0

          -p port      listen on this port (instead of the configuration's)
          -h file      a host key; repeatable. Default: those of the configuration, or /etc/ssh/ssh_host_*_key
          -f file      configuration (default /etc/ssh/sshd_config; "none" for none)
          -o option    one line of sshd_config, with the highest precedence; repeatable
          -c file      a host certificate           -g time   LoginGraceTime
          -4, -6       IPv4 or IPv6 only            -D        stay in the foreground (it always does, so far)
          -e           log to standard error        -E file   append the log to a file
          -d           debug: one connection, then end; up to -ddd
          -q           say nothing                  -i        serve one connection on standard input and output
          -t           check the configuration      -V        version
          -T, -G       print the configuration in force (-C user=...,addr=...,laddr=...,lport=...,host=... for one login)

        Without root it serves its own user alone, by key:

          adit keygen -t ed25519 -f ./host_key
          adit sshd -D -e -f none -p 2222 -h ./host_key

        SIGTERM and SIGINT end it, SIGHUP makes it read its configuration again. Exits with 1 on a bad command line or
        without host keys, 255 on a bad configuration.

        """;
}
