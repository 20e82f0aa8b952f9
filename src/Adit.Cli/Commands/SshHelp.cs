namespace Adit.Cli.Commands;

/// <summary>What <c>adit ssh --help</c> prints, and the shorter word after a bad command line.</summary>
internal static class SshHelp
{
    public const string Usage =
        """
        usage: adit ssh [-46aCGgkNnqsTtVvx] [-b bind_address] [-c ciphers]
                        [-D [bind:]port] [-E log_file] [-e escape_char]
                        [-F config_file] [-i identity_file]
                        [-J [user@]host[:port]] [-L [bind:]port:host:hostport]
                        [-l user] [-m macs] [-o option] [-P tag] [-p port]
                        [-Q query] [-R [bind:]port:host:hostport] [-W host:port]
                        destination [command [argument ...]]

        """;

    public const string Text = Usage +
        """

        Runs a command, or the login shell, at an SSH server, and forwards ports through it. destination is [user@]host or
        ssh://[user@]host[:port].

          -L [bind:]port:host:hostport   listen here on port, connect from the server to host:hostport; repeatable.
                                         bind: an address, localhost, or * for everybody; IPv6 in [brackets].
                                         Either side may be the path of a Unix socket instead.
          -R [bind:]port:host:hostport   the other way round: the server listens, connections go from here to host:hostport.
                                         port 0: any free one, which is told. Where bind is not loopback, the server's
                                         GatewayPorts decides what it really listens on.
          -R [bind:]port                 the server listens as a SOCKS proxy; names are resolved, and connections start,
                                         here: PermitRemoteOpen says where to (-o "PermitRemoteOpen host:port ...")
          -D [bind:]port                 listen here as a SOCKS proxy (4, 4A, 5): what connects to it says where to
                                         go, and the server resolves the name and connects; repeatable
          -W host:port                   connect from the server to host:port, or to the path of a Unix socket there,
                                         and carry standard input and output; implies -N
          -J [user@]host[:port],...      go through these machines, in this order. Their keys and options come from
                                         the configuration file, not from this command line
          -N                             forward only, run no command
          -g                             listen for other machines too, where no bind address is given

          -p port      the server's port            -l user      whom to log in as
          -i file      a private key to offer       -F file      configuration file; "none" for none
          -4, -6       IPv4 or IPv6 only            -b address   connect from this address
          -C           compress                     -o Key=value any option of ssh_config(5)
          -c, -m list  ciphers, MACs; +a -a ^a too  -Q query     list algorithms ("-Q help")
          -v           say more; up to -vvv         -q           say nothing
          -E file      append the log to a file     -G           print the resulting configuration
          -t, -tt, -T  with a terminal, even where  -s           the command is a subsystem's name
                       there is none here; without  -e char      the escape character (~); "none" for none
          -V           version                      -n           nothing comes from standard input
          -f           go into the background after login and with the forwards up; needs -N, -s or a command
          -M, -S path  share the connection at that socket, or use the one that is shared there
          -O command   ask who shares it: check, forward, cancel, exit, stop

        Within a terminal, ~? at the beginning of a line lists what the escape character can do.
        Not built yet: -w, which is refused, and -A -X -Y, which are left out.
        Reads ~/.ssh/config, /etc/ssh/ssh_config and known_hosts as OpenSSH does. Exits with what the command
        exits with, and with 255 on any error; with -N, SIGTERM ends it with 0.

        """;
}
