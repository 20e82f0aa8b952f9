using Adit.Cli.CommandLine;
using Adit.Cli.Help;
using Adit.Ssh.Cryptography;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Commands;

/// <summary>What there is to tell about <c>adit ssh</c>.</summary>
internal static class SshHelp
{
    private static readonly string[] MultiplexCommands = ["check", "forward", "cancel", "stop", "exit"];

    /// <param name="asSsh">The program was called by the name ssh.</param>
    public static string UsageOf(bool asSsh) => HelpPage.Usage(Manual, asSsh);

    public static string Text => HelpPage.Write(Manual);

    public static Manual Manual => new("adit-ssh", 1, "log in, run commands and forward ports through an SSH server",
        """
        adit ssh [-46AaCfGgKkMNnqsTtVvXxYy] [-B interface] [-b address]
                 [-c ciphers] [-D [bind:]port] [-E log_file] [-e escape_char]
                 [-F config_file] [-i identity_file] [-J hosts]
                 [-L [bind:]port:host:hostport] [-l user] [-m macs]
                 [-O command] [-o option] [-P tag] [-p port] [-Q query]
                 [-R [bind:]port:host:hostport] [-S path] [-W host:port]
                 [-w local[:remote]] destination [command [argument ...]]
        """,
        """
        Connects to an SSH server: for a shell, for one command, or with -N for nothing but forwarded ports. destination is [user@]host or ssh://[user@]host[:port]. Flags may stand before and after it; the first word after it that is no flag begins the command.
        """)
    {
        Groups =
        [
            new("Forwarding",
            [
                new("-L", "[bind:]port:host:hostport", "listen here on port, connect from the server to host:hostport; repeatable. bind: an address, localhost, or * for everybody; IPv6 in [brackets]. Either side may be the path of a Unix socket instead"),
                new("-R", "[bind:]port:host:hostport", "the other way round: the server listens, connections go from here to host:hostport. port 0: any free one, which is told. Where bind is not loopback, the server's GatewayPorts decides what it really listens on. [bind:]port alone: the server listens as a SOCKS proxy, and connections go from here to where PermitRemoteOpen allows"),
                new("-D", "[bind:]port", "listen here as a SOCKS proxy (4, 4A, 5): what connects to it says where to go, and the server resolves the name and connects; repeatable"),
                new("-W", "host:port", "connect from the server to host:port, or to the path of a Unix socket there, and carry standard input and output; implies -N and -T") { Kind = ValueKind.Host },
                new("-J", "[user@]host[:port],...", "go through these machines, in this order. Their keys and options come from the configuration file, not from this command line") { Kind = ValueKind.Hosts },
                new("-N", null, "no shell and no command: forward only"),
                new("-f", null, "go to the background once logged in; questions are asked before. With ExitOnForwardFailure the exit code tells whether the forwards are up"),
                new("-g", null, "listen for other machines too, where no bind address is given"),
                new("-w", "local[:remote]", "join a tunnel device here to one at the server, numbers or any"),
            ]),
            new("Sessions",
            [
                new("-t", null, "a terminal there even for a command; -tt even where there is none here"),
                new("-T", null, "no terminal there"),
                new("-n", null, "standard input is empty"),
                new("-s", null, "the command is the name of a subsystem: sftp"),
                new("-e", "escape_char", "what makes escapes at the beginning of a line; ~ is the default, none for none")
                {
                    More = "~. ends the connection, ~^Z suspends the client, ~# lists what is forwarded, ~? tells about the rest.",
                },
                new("-A, -a", null, "let programs at the server use the keys of the agent here (ForwardAgent), or not: they can list the keys and sign with them, nothing else"),
                new("--agent-confirm", null, "with -A: ask before each signature, naming the key and what it is for"),
                new("-X", null, "let programs at the server open windows on the display here (ForwardX11), without a way to others' windows and keys, and for new ones 20 minutes long"),
                new("-Y", null, "the same for a server that you trust with everything on your screen (ForwardX11Trusted): no limits"),
                new("-x", null, "no windows from there"),
            ]),
            new("Where to, and as whom",
            [
                new("-p", "port", "the server's port"),
                new("-l", "user", "whom to log in as") { Kind = ValueKind.User },
                new("-i", "identity_file", "a private key to offer; repeatable") { Kind = ValueKind.File },
                new("-I", "library", "keys of a PKCS#11 library: known, and left out with a warning; an agent can hold such keys") { Kind = ValueKind.File },
                new("-4, -6", null, "IPv4 or IPv6 only"),
                new("-b", "address", "connect from this address of this machine"),
                new("-B", "interface", "connect from the addresses of this interface"),
                new("-K, -k", null, "GSSAPI with and without passing credentials on: accepted, there is no GSSAPI here"),
            ]),
            new("One connection for many",
            [
                new("-M", null, "be the master that other runs share the connection of; -MM asks first"),
                new("-S", "path", "the master's socket (ControlPath), or none") { Kind = ValueKind.File },
                new("-O", "command", "ask the running master: check, forward, cancel, stop or exit") { Kind = ValueKind.Choice, Choices = () => MultiplexCommands },
            ]),
            new("Configuration",
            [
                new("-F", "config_file", "read this file alone; none for no file") { Kind = ValueKind.File },
                new("-o", "Keyword=value", "any keyword of ssh_config(5), before what the files say") { Kind = ValueKind.Keyword, Choices = () => SshConfigKeywords.All.Select(keyword => keyword.Name) },
                new("-P", "tag", "a name that Match tagged looks for"),
                new("-C", null, "compress"),
                new("-c", "ciphers", "ciphers to offer, with commas between; +name adds, -name takes away, ^name puts first") { Kind = ValueKind.Choices, Choices = () => Algorithms.Supported(AlgorithmKind.Cipher) },
                new("-m", "macs", "the same for message authentication codes") { Kind = ValueKind.Choices, Choices = () => Algorithms.Supported(AlgorithmKind.Mac) },
                new("-G", null, "print the configuration that would be used, and do no more"),
                new("-Q", "query", "list algorithms (\"-Q help\" lists the queries)") { Kind = ValueKind.Choice, Choices = () => AlgorithmQuery.Find("help")! },
            ]),
            new("What it says",
            [
                new("-v", null, "say more; up to -vvv"),
                new("-q", null, "say nothing"),
                new("-E", "log_file", "append the log to a file") { Kind = ValueKind.File },
                new("-y", null, "log to syslog"),
                new("-V", null, "print the version"),
                new("--help", null, "print this page"),
                new("-1, -Z", null, "protocol version 1, and listing the keys to be tried: refused"),
                new("-2", null, "accepted: protocol version 2 is all there is"),
            ]),
        ],
        Sections =
        [
            new("Files",
                """
                ~/.ssh/config and /etc/ssh/ssh_config are read as ssh_config(5) says; ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts hold the servers' keys.
                """),
            new("Environment",
                """
                SSH_AUTH_SOCK names the agent's socket. SSH_ASKPASS and SSH_ASKPASS_REQUIRE name a program that asks where there is no terminal.
                """, OnHelpPage: false),
            new("Exit status",
                """
                The command's own, or 255 on any error. With -N, SIGTERM ends it with 0.
                """),
            new("Examples",
                """
                A database that listens on localhost of the server, on port 5433 here:

                    adit ssh -N -L 5433:localhost:5432 alice@server

                The same in the background, with an exit code that tells whether it is up:

                    adit ssh -f -N -o ExitOnForwardFailure=yes -L 5433:localhost:5432 alice@server

                A web server of this machine, shown to the server's users on their port 8080:

                    adit ssh -N -R 8080:localhost:80 alice@server
                """, OnHelpPage: false),
        ],
        SeeAlso = ["adit(1)", "adit-sshd(8)", "adit-keygen(1)", "ssh(1)", "ssh_config(5)"],
    };
}
