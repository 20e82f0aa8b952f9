using Adit.Cli.CommandLine;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;

namespace Adit.Cli.Commands;

/// <summary>What <c>adit sshd</c> is asked to do.</summary>
internal enum SshdAction
{
    Serve,
    ShowHelp,
    ShowVersion,

    /// <summary>-t: check the configuration and the host keys.</summary>
    Test,

    /// <summary>-T: the same, and print what is in force.</summary>
    TestAndPrint,

    /// <summary>-G: print what is in force, without looking at host keys.</summary>
    Print,
}

/// <summary>sshd(8)'s command line.</summary>
internal sealed class SshdCommandLine
{
    public const string DefaultConfigFile = "/etc/ssh/sshd_config";

    private const string Flags = "C:E:b:c:f:g:h:k:o:p:u:46DGQRTdeiqrtV";

    public SshdAction Action { get; private set; } = SshdAction.Serve;

    /// <summary>-f; null for the standard file. "none" for no file.</summary>
    public string? ConfigFile { get; private set; }

    /// <summary>-E.</summary>
    public string? LogFile { get; private set; }

    /// <summary>-D.</summary>
    public bool Foreground { get; private set; }

    /// <summary>-e.</summary>
    public bool LogToStandardError { get; private set; }

    /// <summary>-d: how often, up to three times.</summary>
    public int Debug { get; private set; }

    /// <summary>-q.</summary>
    public bool Quiet { get; private set; }

    /// <summary>-i: one connection, on standard input and output.</summary>
    public bool Inetd { get; private set; }

    /// <summary>-4 or -6, the last one; null for neither.</summary>
    public string? AddressFamily { get; private set; }

    /// <summary>-g.</summary>
    public TimeSpan? GraceTime { get; private set; }

    /// <summary>-p, each.</summary>
    public List<int> Ports { get; } = [];

    /// <summary>-h, each.</summary>
    public List<string> HostKeys { get; } = [];

    /// <summary>-c, each.</summary>
    public List<string> HostCertificates { get; } = [];

    /// <summary>-o, each.</summary>
    public List<string> Options { get; } = [];

    /// <summary>-C: what a login is imagined to be, for -T.</summary>
    public Dictionary<string, string>? Connection { get; private set; }

    /// <summary>Throws <see cref="UsageException"/>.</summary>
    public static SshdCommandLine Parse(IReadOnlyList<string> arguments)
    {
        var line = new SshdCommandLine();
        if (arguments is ["--help"])
        {
            line.Action = SshdAction.ShowHelp;
            return line;
        }

        var getopt = new OpenSshGetopt(Flags, arguments);
        while (getopt.Read())
        {
            line.Take(getopt.Flag, getopt.Value ?? "");
        }

        if (getopt.Error is { } error)
        {
            throw new UsageException(error) { ShowUsage = true };
        }

        if (line is { Connection: not null, Action: not (SshdAction.TestAndPrint or SshdAction.Print) } && getopt.Index >= arguments.Count)
        {
            throw new SshException(SshError.Configuration, "Config test connection parameter (-C) provided without test mode (-T)");
        }

        return getopt.Index < arguments.Count ? throw new UsageException($"Extra argument {PeerText.Escape(arguments[getopt.Index])}.") : line;
    }

    private void Take(char flag, string value)
    {
        switch (flag)
        {
            case '4':
                AddressFamily = "inet";
                break;
            case '6':
                AddressFamily = "inet6";
                break;
            case 'f':
                ConfigFile = value;
                break;
            case 'c':
                HostCertificates.Add(value);
                break;
            case 'd':
                Debug = Math.Min(Debug + 1, 3);
                break;
            case 'D':
                Foreground = true;
                break;
            case 'E':
                LogFile = value;
                LogToStandardError = true; // as OpenSSH: the file stands in for it
                break;
            case 'e':
                LogToStandardError = true;
                break;
            case 'i':
                Inetd = true;
                break;
            case 'q':
                Quiet = true;
                break;
            case 'p':
                Ports.Add(PortFormat.TryParse(value, out var port) ? port : throw new UsageException("Bad port number."));
                break;
            case 'g':
                GraceTime = TimeFormat.TryParse(value, out var grace) ? grace : throw new UsageException("Invalid login grace time.");
                break;
            case 'h':
                HostKeys.Add(value);
                break;
            case 'o':
                Options.Add(value);
                break;
            case 't':
                Action = SshdAction.Test;
                break;
            case 'T':
                Action = SshdAction.TestAndPrint;
                break;
            case 'G':
                Action = SshdAction.Print;
                break;
            case 'V':
                Action = SshdAction.ShowVersion;
                break;
            case 'C':
                TakeConnection(value);
                break;
            default:
                break; // -b -k -u -Q -r -R: accepted, as sshd does, and without meaning here
        }
    }

    /// <summary>"user=alice,addr=10.0.0.1": repeated ones add up.</summary>
    private void TakeConnection(string value)
    {
        Connection ??= [];
        foreach (var part in value.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = part.IndexOf('=');
            var name = equals < 0 ? part : part[..equals];
            if (name is not ("user" or "host" or "addr" or "laddr" or "lport" or "rdomain" or "invalid-user") || (equals < 0 && name != "invalid-user"))
            {
                throw new UsageException($"Invalid test mode specification {PeerText.Escape(part)}");
            }

            if (name == "lport" && !PortFormat.TryParse(part.AsSpan(equals + 1), out _))
            {
                throw new UsageException($"Invalid port '{PeerText.Escape(part[(equals + 1)..])}' in test mode specification {PeerText.Escape(part)}");
            }

            Connection[name] = equals < 0 ? "" : part[(equals + 1)..];
        }
    }
}
