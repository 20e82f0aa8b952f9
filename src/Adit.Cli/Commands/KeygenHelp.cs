using Adit.Cli.CommandLine;
using Adit.Cli.Help;

namespace Adit.Cli.Commands;

/// <summary>What there is to tell about <c>adit keygen</c>.</summary>
internal static class KeygenHelp
{
    private static readonly string[] Types = ["ed25519", "ecdsa", "rsa"];
    private static readonly string[] Hashes = ["sha256", "md5"];

    public static string Usage => HelpPage.Usage(Manual);

    public static Manual Manual => new("adit-keygen", 1, "make, show and change keys that OpenSSH reads",
        """
        adit keygen [-q] [-t ed25519 | ecdsa | rsa] [-b bits] [-f file]
                    [-C comment] [-N passphrase] [-a rounds]
        adit keygen -y [-f file] [-P passphrase]
        adit keygen -l [-v] [-E md5 | sha256] [-f file]
        adit keygen -p [-f file] [-P old_passphrase] [-N new_passphrase] [-a rounds]
        adit keygen -c [-f file] [-P passphrase] [-C comment]
        adit keygen -F host | -R host [-f known_hosts]
        adit keygen --help
        """,
        """
        Without -y, -l, -p, -c, -F or -R: makes a key pair. The private key goes to the file (mode 0600, in OpenSSH's format), the public key to file.pub. What is not given is asked for.
        """)
    {
        Groups =
        [
            new("A new key",
            [
                new("-t", "type", "ed25519 (the default), ecdsa or rsa") { Kind = ValueKind.Choice, Choices = () => Types },
                new("-b", "bits", "ecdsa: 256 (the default), 384 or 521; rsa: 1024 to 16384 (default 3072)"),
                new("-f", "file", "the private key file; for -l any file with keys: public, private, authorized_keys, known_hosts, or - for standard input") { Kind = ValueKind.File },
                new("-C", "comment", "put behind the public key; default: user@host"),
                new("-N", "passphrase", "protects the private key; empty for none. Other users of this machine may see it in the process list: better let it be asked for"),
                new("-P", "passphrase", "opens the existing key"),
                new("-a", "rounds", "bcrypt rounds that slow guessing of the passphrase down, 1 to 4096 (default 24)"),
                new("-E", "hash", "of fingerprints: sha256 (the default) or md5") { Kind = ValueKind.Choice, Choices = () => Hashes },
                new("-q", null, "says nothing but errors and questions"),
                new("-v", null, "with -l: draws the key's picture too"),
            ]),
            new("Instead of a new key",
            [
                new("-y", null, "prints the public key of a private key file"),
                new("-l", null, "prints fingerprints"),
                new("-p", null, "changes the passphrase of a private key file; any format that OpenSSH knows becomes OpenSSH's own"),
                new("-c", null, "changes the comment of a private key file and its .pub"),
                new("-F", "host", "prints a host's lines in known_hosts (host, or [host]:port); exit code 1 when there are none") { Kind = ValueKind.Host },
                new("-R", "host", "takes them out, for a host whose key was rightly changed") { Kind = ValueKind.Host },
                new("-h", null, "prints the usage"),
                new("--help", null, "prints this page"),
            ]),
        ],
        Sections =
        [
            new("Examples",
                """
                A key without questions:

                  adit keygen -q -N '' -f ~/.ssh/id_ed25519

                The server's fingerprints:

                  adit keygen -lf /etc/ssh/ssh_host_ed25519_key.pub

                Which keys may log in here:

                  adit keygen -lf ~/.ssh/authorized_keys
                """),
            new("Exit status",
                """
                0; 1 for a wrong command line or a file that was not to be overwritten (-F: host not found); 255 for other errors.
                """),
        ],
        SeeAlso = ["adit(1)", "adit-ssh(1)", "ssh-keygen(1)"],
    };

    public static ValueTask<int> ShowAsync(IKeygenDialog dialog)
    {
        dialog.Write(HelpPage.Write(Manual));
        return ValueTask.FromResult(ExitCode.Success);
    }
}
