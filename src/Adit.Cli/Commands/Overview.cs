using System.Runtime.InteropServices;

namespace Adit.Cli.Commands;

/// <summary>What <c>adit --help</c> and <c>adit --version</c> print.</summary>
internal static class Overview
{
    public const string Text =
        """
        adit: SSH tunnels. The client and the server in one program.

        usage: adit <command> [arguments]
               adit -L ... user@host            the same as: adit ssh -L ... user@host

          ssh      forward ports through an SSH server, with ssh(1)'s flags and ~/.ssh/config
          sshd     be that server, with sshd(8)'s flags and sshd_config
          keygen   make a key pair that OpenSSH reads
          demo     a server, a web page and a tunnel to it, all on this machine: see it work
          help     this page; "adit help ssh" (or sshd, keygen, demo) for one command
          version  what this is

        examples

          A database that listens on localhost of server, on port 5433 here:
            adit -N -L 5433:localhost:5432 alice@server

          A machine that only server can reach, for everybody on this network:
            adit -N -L 0.0.0.0:8080:intranet.corp:80 alice@server

          A server on port 2222, in the foreground, logging to the terminal:
            adit sshd -D -e -p 2222 -h ./host_key

        """;

    public static string Version => typeof(Overview).Assembly.GetName().Version?.ToString(3) ?? "0";

    public static string VersionLine => $"adit {Version} ({RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier})";
}
