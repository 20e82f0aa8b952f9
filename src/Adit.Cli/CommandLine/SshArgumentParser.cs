using System.Globalization;
using Adit.Cli.Diagnostics;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;
using static Adit.Cli.CommandLine.SshFlagValues;

namespace Adit.Cli.CommandLine;

/// <summary>Reads an ssh(1) command line: flags before and after the host, up to the first word after it that is none, which begins the command.</summary>
internal sealed class SshArgumentParser
{
    private readonly SshArguments _result = new();
    private readonly string[] _arguments;
    private readonly OpenSshGetopt _getopt;
    private bool _hasHost;

    private SshArgumentParser(string[] arguments)
    {
        _arguments = arguments;
        _getopt = new OpenSshGetopt(SshFlags.Getopt, arguments) { LongFlags = ["--agent-confirm"] };
    }

    /// <summary>Throws <see cref="UsageException"/>, and <see cref="Adit.Ssh.SshException"/> for a bad forward.</summary>
    public static SshArguments Parse(string[] arguments) => new SshArgumentParser(arguments).Parse();

    private SshArguments Parse()
    {
        if (_arguments is ["--help", ..] or ["--version", ..])
        {
            _result.Action = _arguments[0] == "--help" ? SshAction.ShowHelp : SshAction.ShowVersion;
            return _result;
        }

        do
        {
            while (_getopt.Read())
            {
                Apply(_getopt.Flag, _getopt.Value ?? "");
                if (_result.Action is SshAction.Query or SshAction.ShowVersion)
                {
                    return _result; // these look at nothing that comes after them
                }
            }

            if (_getopt.Error is not null)
            {
                throw new UsageException(_getopt.Error) { ShowUsage = true };
            }

            if (_hasHost || _getopt.Index >= _arguments.Length)
            {
                break;
            }

            TakeDestination(_arguments[_getopt.Index]);
        }
        while (_getopt.Resume());

        if (!_hasHost)
        {
            throw UsageException.UsageOnly;
        }

        if (_getopt.Index < _arguments.Length)
        {
            _result.Command = string.Join(' ', _arguments[_getopt.Index..]);
        }

        if (_result.LogLevel is { } level)
        {
            _result.Overrides["LogLevel"] = level.ToString().ToUpperInvariant();
        }

        if (_result.Command is null && _result.SetSoFar("SessionType") == "subsystem")
        {
            throw new UsageException("You must specify a subsystem to invoke.") { ShowUsage = true };
        }

        Validate();
        return _result;
    }

    private void TakeDestination(string word)
    {
        var destination = Destination.Parse(word) ?? throw UsageException.UsageOnly;
        _hasHost = true;
        _result.Host = destination.Host;
        if (destination.User is { } user)
        {
            TakeUser(user);
        }

        if (destination.Port is { } port)
        {
            TakePort(port);
        }
    }

    private void Validate()
    {
        if ((_result.User ?? _result.GivenBefore("User")) is { } user && !Destination.IsValidUser(user))
        {
            throw new UsageException("remote username contains invalid characters")
            {
                Hint = "A user name may not begin with '-' nor contain quotes, ; & < > | ( ) { } or control characters.",
            };
        }

        if (!Destination.IsValidHost(_result.Host))
        {
            throw new UsageException("hostname contains invalid characters")
            {
                Hint = "A host name may not begin with '-' nor contain blanks, quotes, commas, $ \\ ; & < > | ( ) { } or control characters.",
            };
        }
    }

    private void Apply(char flag, string value)
    {
        switch (flag)
        {
            case OpenSshGetopt.Long:
                _result.ConfirmsAgentUse = true; // the only one there is
                break;
            case '4' or '6':
                _result.Overrides["AddressFamily"] = flag == '4' ? "inet" : "inet6";
                break;
            case 'C' or 'g':
                _result.Overrides[flag == 'C' ? "Compression" : "GatewayPorts"] = "yes";
                break;
            case 'N' when _result.Overrides.GetValueOrDefault("SessionType") == "subsystem":
                throw new UsageException("Cannot specify -N with -s/SessionType");
            case 's' when _result.Overrides.GetValueOrDefault("SessionType") == "none":
                throw new UsageException("Cannot specify -s with -N/SessionType");
            case 'N':
                TakeSessionType("none", "Cannot specify -N with -s/SessionType");
                _result.NoSession = true;
                _result.Overrides["RequestTTY"] = "no";
                break;
            case 'T':
                _result.Overrides["RequestTTY"] = "no";
                break;
            case 'n':
                _result.Overrides["StdinNull"] = "yes";
                break;
            case 'A' or 'a':
                _result.Overrides["ForwardAgent"] = flag == 'A' ? "yes" : "no";
                break;
            case 'X' or 'x':
                _result.Overrides["ForwardX11"] = flag == 'X' ? "yes" : "no";
                break;
            case 'Y':
                _result.Overrides["ForwardX11"] = "yes";
                _result.Overrides["ForwardX11Trusted"] = "yes";
                break;
            case 't':
                _result.Overrides["RequestTTY"] = _result.SetSoFar("RequestTTY") is "yes" or "true" or "force" ? "force" : "yes";
                break;
            case 's':
                TakeSessionType("subsystem", "Cannot specify -s with -N/SessionType");
                break;
            case 'f':
                _result.Overrides["ForkAfterAuthentication"] = "yes";
                _result.Overrides["StdinNull"] = "yes";
                break;
            case 'M':
                _result.Overrides["ControlMaster"] = _result.SetSoFar("ControlMaster") is "yes" or "true" or "ask" ? "ask" : "yes";
                break;
            case 'y':
                _result.LogsToSyslog = true;
                RefuseTwoLogs();
                break;
            case '2' or 'k' or 'K':
                break; // version 2 is all there is; there is no GSSAPI to log in by or to pass on
            case 'V':
                _result.Action = SshAction.ShowVersion;
                break;
            case 'G':
                _result.Action = SshAction.PrintConfiguration;
                break;
            case 'Q':
                _result.Action = SshAction.Query;
                _result.Query = value;
                break;
            case 'v':
                _result.LogLevel = _result.LogLevel is { } level and >= OpenSshLogLevel.Debug1
                    ? (OpenSshLogLevel)Math.Min((int)level + 1, (int)OpenSshLogLevel.Debug3)
                    : OpenSshLogLevel.Debug1;
                break;
            case 'q':
                _result.LogLevel = OpenSshLogLevel.Quiet;
                break;
            default:
                ApplyWithValue(flag, value);
                break;
        }
    }

    private void ApplyWithValue(char flag, string value)
    {
        switch (flag)
        {
            case 'L':
                _result.Lines.Add(ConfigLine(ForwardSpecification.Parse(value, ForwardKind.Local)));
                break;
            case 'D':
                _result.Lines.Add(ConfigLine(ForwardSpecification.Parse(value, ForwardKind.Dynamic)));
                break;
            case 'W':
                TakeStandardIo(value);
                break;
            case 'J':
                TakeJump(value);
                break;
            case 'R':
                _result.Lines.Add(ConfigLine(ForwardSpecification.Parse(value, ForwardKind.Remote)));
                break;
            case 'p':
                TakePort(PortFormat.TryParse(value, out var port) && port > 0 ? port : throw new UsageException($"Bad port '{value}'"));
                break;
            case 'l':
                TakeUser(value);
                break;
            case 'i':
                TakeIdentity(value);
                break;
            case 'o':
                _result.Lines.Add(value);
                break;
            case 'E':
                _result.LogFile = value;
                RefuseTwoLogs();
                break;
            case 'F':
                _result.ConfigFile = value;
                break;
            case 'b':
                _result.Overrides["BindAddress"] = Quote(value);
                break;
            case 'c':
                _result.Overrides["Ciphers"] = Checked(AlgorithmKind.Cipher, "cipher", value);
                break;
            case 'm':
                _result.Overrides["MACs"] = Checked(AlgorithmKind.Mac, "mac", value);
                break;
            case 'P':
                _result.Overrides["Tag"] = Quote(value);
                break;
            case 'e' when IsEscapeCharacter(value):
                _result.Overrides["EscapeChar"] = Quote(value);
                break;
            case 'e':
                throw new UsageException($"Bad escape character '{value}'.");
            case 'S':
                _result.Overrides["ControlPath"] = value.Length == 0 ? "none" : Quote(value); // scripts leave it empty for none
                break;
            case 'O':
                TakeMultiplexCommand(value);
                break;
            case 'I':
                _result.Overrides["PKCS11Provider"] = value.Length == 0 ? "none" : Quote(value);
                break;
            case 'B':
                _result.Overrides["BindInterface"] = Quote(value);
                break;
            case 'w':
                TakeTunnelDevice(value);
                break;
            case '1':
                throw new UsageException("SSH protocol v.1 is no longer supported");
            default:
                throw NotYet(flag);
        }
    }

    /// <summary>The first one counts, -o User among them.</summary>
    private void TakeUser(string user)
    {
        _result.User ??= user;
        _result.Lines.Add($"User {Quote(user)}");
    }

    private void TakePort(int port) => _result.Lines.Add(string.Create(CultureInfo.InvariantCulture, $"Port {port}"));

    private void TakeStandardIo(string value)
    {
        if (_result.StandardIo is not null)
        {
            throw new UsageException("stdio forward already specified");
        }

        if (_result.MultiplexCommand is not null)
        {
            throw new UsageException("Cannot specify stdio forward with -O");
        }

        // "host:port" is read as "bind:port" of -D would be; the path of a Unix socket has a slash.
        _result.StandardIo = ForwardSpecification.TryParse(value, ForwardKind.Dynamic, out var forward) && forward.Listen.Host is { Length: > 0 } ? forward.Listen
            : value.StartsWith('/') && ForwardAddress.TryParse(value, out var path) ? path
            : throw new UsageException($"Bad stdio forwarding specification '{value}'") { Hint = "Expected host:port, or the path of a Unix socket; an IPv6 address goes in brackets." };
        _result.ForwardOnly();
    }

    private void TakeJump(string value)
    {
        if (_result.GivenBefore("ProxyJump") is not null)
        {
            throw new UsageException("Only a single -J option is permitted (use commas to separate multiple jump hops)");
        }

        if (_result.GivenBefore("ProxyCommand") is not null)
        {
            throw new UsageException("Cannot specify -J with ProxyCommand");
        }

        if (!value.Equals("none", StringComparison.OrdinalIgnoreCase) && !value.Split(',').All(hop => JumpHost.TryParse(hop, out _)))
        {
            throw new UsageException("Invalid -J argument") { Hint = "Expected [user@]host[:port], or several of them with commas between; an IPv6 address goes in brackets." };
        }

        _result.Lines.Add($"ProxyJump {value}");
    }

    private void TakeIdentity(string path)
    {
        // As ssh does it: tokens and variables are not looked at yet, so that a path with them is not found.
        var file = TokenExpander.ExpandTilde(path, user => user.Length == 0 ? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) : null);
        if (Path.Exists(file))
        {
            _result.Lines.Add($"IdentityFile {Quote(path)}");
        }
        else
        {
            _result.Warnings.Add($"Warning: Identity file {file} not accessible: No such file or directory.");
        }
    }

    /// <summary>-N and -s exclude each other, and whatever -o SessionType said before them.</summary>
    private void TakeSessionType(string type, string conflict)
    {
        var earlier = _result.SetSoFar("SessionType");
        if (earlier is not null && !earlier.Equals(type, StringComparison.OrdinalIgnoreCase))
        {
            throw new UsageException(conflict);
        }

        _result.Overrides["SessionType"] = type;
    }

    private void TakeMultiplexCommand(string command)
    {
        if (_result.StandardIo is not null)
        {
            throw new UsageException("Cannot specify multiplexing command with -W");
        }

        if (_result.MultiplexCommand is not null)
        {
            throw new UsageException("Multiplexing command already specified");
        }

        _result.MultiplexCommand = command is "check" or "conninfo" or "channels" or "forward" or "exit" or "stop" or "cancel" or "proxy"
            ? command
            : throw new UsageException("Invalid multiplex command.");
    }

    /// <summary>-w: the same as Tunnel and TunnelDevice.</summary>
    private void TakeTunnelDevice(string value)
    {
        if (!IsTunnelDevice(value))
        {
            throw new UsageException($"Bad tun device '{value}'");
        }

        _result.Overrides["TunnelDevice"] = Quote(value);
        if (_result.SetSoFar("Tunnel") is null)
        {
            _result.Overrides["Tunnel"] = "point-to-point";
        }
    }

    private void RefuseTwoLogs()
    {
        if (_result is { LogsToSyslog: true, LogFile: not null })
        {
            throw new UsageException("Can't specify both -y and -E");
        }
    }

    /// <summary>A flag that ssh has and this version does not obey is refused: leaving it out in silence could expose what it protects.</summary>
    private static UsageException NotYet(char flag)
    {
        var row = SshFlags.Find(flag);
        return new UsageException($"adit: -{flag} ({row?.Meaning}) is not built yet in this version.") { Hint = row?.Note };
    }
}
