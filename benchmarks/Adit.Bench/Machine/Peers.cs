using System.Globalization;

namespace Adit.Bench.Machine;

/// <summary>Starts OpenSSH's programs and ours, all with the same arguments and the same kind of configuration.</summary>
internal static class Peers
{
    public static async Task<(ChildProcess Process, int Port)> StartServerAsync(Lab lab, bool adit, string? cipher, CancellationToken cancellation)
    {
        int port = Ports.Free();
        List<string> lines =
        [
            string.Create(CultureInfo.InvariantCulture, $"Port {port}"),
            "ListenAddress 127.0.0.1",
            $"AuthorizedKeysFile {lab.AuthorizedKeys}",
            $"HostKey {lab.HostKey}",
            "StrictModes no", // the folder lies below /tmp
            "PermitRootLogin yes",
            "UsePAM no",
            "PidFile none",
            "MaxStartups 1000",
            "LogLevel ERROR",
        ];
        if (cipher is not null)
            lines.Add($"Ciphers {cipher}");
        string config = lab.Write(string.Create(CultureInfo.InvariantCulture, $"sshd_config.{port}"), string.Join('\n', lines) + "\n");
        var process = adit
            ? ChildProcess.Start("adit sshd", lab.Adit, ["sshd", "-D", "-e", "-f", config])
            : ChildProcess.Start("sshd", lab.Sshd, ["-D", "-e", "-f", config]);
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            deadline.CancelAfter(TimeSpan.FromSeconds(20));
            await Ports.WaitForListenerAsync(process, port, deadline.Token);
            return (process, port);
        }
        catch
        {
            process.Dispose();
            throw;
        }
    }

    /// <summary>Starts a client; does not wait for its forwards.</summary>
    public static ChildProcess StartClient(Lab lab, bool adit, int serverPort, IEnumerable<string> forwards, TunnelOptions options)
    {
        string port = serverPort.ToString(CultureInfo.InvariantCulture);
        string knownHosts = lab.Write("known_hosts." + port, $"[127.0.0.1]:{port} {lab.HostKeyLine}\n");
        List<string> arguments = ["-F", "none", "-N", "-T", .. options.ClientArguments];
        foreach (string forward in forwards)
            arguments.AddRange(["-L", forward]);
        if (options.Cipher is not null)
            arguments.AddRange(["-c", options.Cipher]);
        foreach (string option in (string[])
        [
            "IdentitiesOnly=yes",
            $"UserKnownHostsFile={knownHosts}",
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "BatchMode=yes",
            "ExitOnForwardFailure=yes",
            options.Counted is null ? "LogLevel=ERROR" : "LogLevel=DEBUG",
        ])
        {
            arguments.AddRange(["-o", option]);
        }

        arguments.AddRange(["-i", lab.UserKey, "-p", port, $"{Environment.UserName}@127.0.0.1"]);
        return adit
            ? ChildProcess.Start("adit ssh", lab.Adit, ["ssh", .. arguments], options.Counted)
            : ChildProcess.Start("ssh", lab.Ssh, arguments, options.Counted);
    }
}
