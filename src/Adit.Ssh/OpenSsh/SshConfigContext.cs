using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Adit.Ssh.OpenSsh;

/// <summary>What a configuration is resolved in: who runs it, where, and what for. Everything has the value of this process and this machine unless it is set.</summary>
public sealed record SshConfigContext
{
    /// <summary>%u, Match localuser, and the remote user where none is given.</summary>
    public string LocalUser { get; init; } = Environment.UserName;

    /// <summary>%i.</summary>
    public uint UserId { get; init; } = FileOwner.CurrentUser;

    /// <summary>%d and "~".</summary>
    public string HomeDirectory { get; init; } = OpenSsh.LocalUser.Home;

    /// <summary>%l; %L is what stands before its first dot.</summary>
    public string LocalHostName { get; init; } = HostName();

    /// <summary>Where Include looks for relative paths of system files.</summary>
    public string SystemFolder { get; init; } = "/etc/ssh";

    /// <summary>${VARIABLE}: null for one that is not set.</summary>
    public Func<string, string?> GetVariable { get; init; } = Environment.GetEnvironmentVariable;

    /// <summary>Runs the command of Match exec with the user's shell and says whether its exit status is 0. Without it such a Match is an error: it cannot be known whether it would hold.</summary>
    public Func<string, bool>? Execute { get; init; }

    /// <summary>Resolves a name in the DNS for CanonicalizeHostname: returns its canonical name, or null where it does not exist.</summary>
    public Func<string, string?> ResolveName { get; init; } = ResolveInDns;

    /// <summary>This machine's addresses, for Match localnetwork.</summary>
    public Func<IEnumerable<IPAddress>> GetLocalAddresses { get; init; } = LocalAddresses;

    /// <summary>Match command: the command to run there; empty for none.</summary>
    public string Command { get; init; } = "";

    /// <summary>Match sessiontype: "shell", "exec", "subsystem" or "none".</summary>
    public string SessionTypeName { get; init; } = "shell";

    /// <summary>Match version: this program's version, as -V prints it.</summary>
    public string Version { get; init; } = "";

    /// <summary>Gets error lines at Error, unsupported options at Warning, and what was read and matched at Debug and Trace.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>A dot at the end stays: it keeps the system from trying the name in its own domains too.</summary>
    private static string? ResolveInDns(string name)
    {
        try
        {
            return Dns.GetHostEntry(name).HostName;
        }
        catch (SocketException)
        {
            return null;
        }
    }

    private static IEnumerable<IPAddress> LocalAddresses() =>
        NetworkInterface.GetAllNetworkInterfaces()
            .Where(item => item.OperationalStatus == OperationalStatus.Up && item.NetworkInterfaceType != NetworkInterfaceType.Loopback)
            .SelectMany(item => item.GetIPProperties().UnicastAddresses)
            .Select(item => item.Address);

    /// <summary>As gethostname(2) has it, dots and all. Where a file tells, the runtime's name services need not be loaded for it, which a client's start would wait for.</summary>
    private static string HostName()
    {
        const string file = "/proc/sys/kernel/hostname";
        try
        {
            if (OperatingSystem.IsLinux() && File.Exists(file))
                return File.ReadAllText(file).TrimEnd('\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The system call has to do.
        }
        return Dns.GetHostName();
    }
}

/// <summary>Which files a configuration is read from.</summary>
/// <param name="UserFile">~/.ssh/config or the file of -F; null for none.</param>
/// <param name="SystemFile">/etc/ssh/ssh_config; null for none.</param>
public sealed record SshConfigFiles(string? UserFile, string? SystemFile)
{
    /// <summary>The user file was named on the command line: it must be there, and its owner and mode are not looked at.</summary>
    public bool IsExplicit { get; init; }

    /// <summary>~/.ssh/config and /etc/ssh/ssh_config.</summary>
    public static SshConfigFiles Default => new(LocalUser.InHome(".ssh/config"), "/etc/ssh/ssh_config");

    /// <summary>-F none.</summary>
    public static SshConfigFiles None { get; } = new(null, null);

    /// <summary>-F: one file and nothing else; "none" for no file.</summary>
    public static SshConfigFiles Only(string path) => path.Equals("none", StringComparison.OrdinalIgnoreCase) ? None : new SshConfigFiles(path, null) { IsExplicit = true };
}
