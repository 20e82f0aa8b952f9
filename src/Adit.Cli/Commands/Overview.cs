using System.Runtime.InteropServices;
using Adit.Cli.Help;

namespace Adit.Cli.Commands;

/// <summary>What <c>adit --help</c> and <c>adit --version</c> print.</summary>
internal static class Overview
{
    public static string Text => HelpPage.Write(Manual);

    public static Manual Manual => new("adit", 1, "SSH tunnels and logins, client and server in one program",
        """
        adit <command> [arguments]
        adit -L ... user@host            the same as: adit ssh -L ... user@host
        """,
        """
        adit: SSH tunnels and logins. The client and the server in one program.

          ssh         log in and forward ports through an SSH server, with ssh(1)'s flags and ~/.ssh/config
          sshd        be that server, with sshd(8)'s flags and sshd_config
          keygen      make a key pair that OpenSSH reads
          demo        a server, a web page and a tunnel to it, all on this machine: see it work
          completion  "adit completion bash" (zsh, fish) prints a script that completes flags and hosts
          man         "adit man ssh" (sshd, keygen, sshd_config) prints a manual page for man(1)
          help        this page; "adit help ssh" (or sshd, keygen, demo) for one command
          version     what this is
        """)
    {
        Sections =
        [
            new("Examples",
                """
                A database that listens on localhost of server, on port 5433 here:

                  adit -N -L 5433:localhost:5432 alice@server

                A machine that only server can reach, for everybody on this network:

                  adit -N -L 0.0.0.0:8080:intranet.corp:80 alice@server

                A server on port 2222, in the foreground, logging to the terminal:

                  adit sshd -D -e -p 2222 -h ./host_key
                """),
            new("Links",
                """
                Called through a link named ssh or sshd it is that program.
                """, OnHelpPage: false),
        ],
        SeeAlso = ["adit-ssh(1)", "adit-sshd(8)", "adit-keygen(1)", "adit-sshd_config(5)", "ssh(1)"],
    };

    public static string Version => typeof(Overview).Assembly.GetName().Version?.ToString(3) ?? "0";

    public static string VersionLine => $"adit {Version} ({RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier})";

    /// <summary>The version of OpenSSH whose command line, keywords and messages are followed: what a program may expect that asks for one.</summary>
    public const string CompatibleWith = "OpenSSH_9.9p1";

    /// <summary>What <c>ssh -V</c>, <c>sshd -V</c> and the first line of <c>-v</c> say. Programs that ask whether ssh knows something look for "OpenSSH_" and a number in it.</summary>
    public static string SshVersionLine =>
        $"Adit_{Version} (compatible with {CompatibleWith}), {RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier}";
}
