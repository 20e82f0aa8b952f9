using Adit.Cli.CommandLine;

namespace Adit.Cli.Commands;

/// <summary>What <c>adit keygen --help</c> prints.</summary>
internal static class KeygenHelp
{
    public const string Usage =
        """
        usage: adit keygen [-q] [-t ed25519 | ecdsa | rsa] [-b bits] [-f file] [-C comment] [-N passphrase] [-a rounds]
               adit keygen -y [-f file] [-P passphrase]
               adit keygen -l [-v] [-E md5 | sha256] [-f file]
               adit keygen -p [-f file] [-P old_passphrase] [-N new_passphrase] [-a rounds]
               adit keygen -c [-f file] [-P passphrase] [-C comment]
               adit keygen -F host | -R host [-f known_hosts]
               adit keygen --help

        """;

    private const string Details =
        """

        Without -y, -l, -p, -c, -F or -R: makes a key pair. The private key goes to the file (mode 0600, in OpenSSH's format),
        the public key to file.pub. What is not given is asked for.

          -t type        ed25519 (the default), ecdsa or rsa
          -b bits        ecdsa: 256 (the default), 384 or 521; rsa: 1024 to 16384 (default 3072)
          -f file        the private key file; for -l any file with keys: public, private, authorized_keys,
                         known_hosts, or - for standard input
          -C comment     put behind the public key; default: user@host
          -N passphrase  protects the private key; empty for none. Other users of this machine may see it in the
                         process list: better let it be asked for
          -P passphrase  opens the existing key
          -a rounds      bcrypt rounds that slow guessing of the passphrase down, 1 to 4096 (default 24)
          -E hash        of fingerprints: sha256 (the default) or md5
          -q             says nothing but errors and questions
          -v             with -l: draws the key's picture too

          -y             prints the public key of a private key file
          -l             prints fingerprints
          -p             changes the passphrase of a private key file; any format that OpenSSH knows becomes OpenSSH's own
          -c             changes the comment of a private key file and its .pub
          -F host        prints a host's lines in known_hosts (host, or [host]:port); exit code 1 when there are none
          -R host        takes them out, for a host whose key was rightly changed

        examples

          A key without questions:            adit keygen -q -N '' -f ~/.ssh/id_ed25519
          The server's fingerprints:          adit keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
          Which keys may log in here:         adit keygen -lf ~/.ssh/authorized_keys

        Exit codes: 0; 1 for a wrong command line or a file that was not to be overwritten (-F: host not found); 255 for other errors.

        """;

    public static ValueTask<int> ShowAsync(IKeygenDialog dialog)
    {
        dialog.Write(Usage + Details);
        return ValueTask.FromResult(ExitCode.Success);
    }
}
