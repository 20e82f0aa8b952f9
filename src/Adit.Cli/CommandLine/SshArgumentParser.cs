using System.Globalization;
using Adit.Cli.Diagnostics;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.CommandLine;

/// <summary>Reads an ssh(1) command line: flags before and after the host, up to the first word after it that is none, which begins the command.</summary>
internal sealed class SshArgumentParser
{
    private const string Flags = "1246ACGKMNTVXYZafgknqstvxyB:D:E:F:I:J:L:O:P:Q:R:S:W:b:c:e:i:l:m:o:p:w:";

    private readonly SshArguments _result = new();
    private readonly string[] _arguments;
    private readonly OpenSshGetopt _getopt;
    private bool _hasHost;

    private SshArgumentParser(string[] arguments)
    {
        _arguments = arguments;
        _getopt = new OpenSshGetopt(Flags, arguments);
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
        if (_result.User is { } user && !Destination.IsValidUser(user))
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
            case '4':
                _result.Overrides["AddressFamily"] = "inet";
                break;
            case '6':
                _result.Overrides["AddressFamily"] = "inet6";
                break;
            case 'C':
                _result.Overrides["Compression"] = "yes";
                break;
            case 'g':
                _result.Overrides["GatewayPorts"] = "yes";
                break;
            case 'N' when _result.Overrides.GetValueOrDefault("SessionType") == "subsystem":
                throw new UsageException("Cannot specify -N with -s/SessionType");
            case 's' when _result.Overrides.GetValueOrDefault("SessionType") == "none":
                throw new UsageException("Cannot specify -s with -N/SessionType");
            case 'N':
                _result.NoSession = true;
                _result.Overrides["SessionType"] = "none";
                break;
            case 'T':
                _result.Overrides["RequestTTY"] = "no";
                break;
            case 'n':
                _result.Overrides["StdinNull"] = "yes";
                break;
            case 'a':
                _result.Overrides["ForwardAgent"] = "no";
                break;
            case 'x':
                _result.Overrides["ForwardX11"] = "no";
                break;
            case 'A':
                _result.Overrides["ForwardAgent"] = "yes";
                break;
            case 'X':
                _result.Overrides["ForwardX11"] = "yes";
                break;
            case 'Y':
                _result.Overrides["ForwardX11"] = "yes";
                _result.Overrides["ForwardX11Trusted"] = "yes";
                break;
            case 't':
                _result.Overrides["RequestTTY"] = _result.Overrides.GetValueOrDefault("RequestTTY") is "yes" or "force" ? "force" : "yes";
                break;
            case 's':
                _result.Overrides["SessionType"] = "subsystem";
                break;
            case 'f':
                _result.Overrides["ForkAfterAuthentication"] = "yes";
                _result.Overrides["StdinNull"] = "yes";
                break;
            case 'M':
                _result.Overrides["ControlMaster"] = _result.Overrides.GetValueOrDefault("ControlMaster") is "yes" or "ask" ? "ask" : "yes";
                break;
            case 'y':
                _result.LogsToSyslog = true;
                break;
            case '2' or 'k':
                break; // version 2 is all there is; GSSAPI credentials are never passed on
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
                _result.Overrides["ControlPath"] = Quote(value);
                break;
            case 'O':
                _result.MultiplexCommand = value;
                break;
            case 'B':
                _result.Overrides["BindInterface"] = Quote(value);
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

    /// <summary>A forward as LocalForward, RemoteForward and DynamicForward take it: what to listen on, then where to.</summary>
    private static string ConfigLine(ForwardSpecification forward)
    {
        string Address(ForwardAddress address) => address.IsUnix ? address.Path! : address.Host is null ? $"{address.Port}" : $"[{address.Host}]:{address.Port}";
        return forward.Destination is { } destination
            ? $"{forward.Kind}Forward {Quote(Address(forward.Listen))} {Quote(Address(destination))}"
            : $"{forward.Kind}Forward {Quote(Address(forward.Listen))}";
    }

    private void TakeStandardIo(string value)
    {
        if (_result.StandardIo is not null)
        {
            throw new UsageException("stdio forward already specified");
        }

        // "host:port" is read as "bind:port" of -D would be; the path of a Unix socket has a slash.
        _result.StandardIo = ForwardSpecification.TryParse(value, ForwardKind.Dynamic, out var forward) && forward.Listen.Host is { Length: > 0 } ? forward.Listen
            : value.StartsWith('/') && ForwardAddress.TryParse(value, out var path) ? path
            : throw new UsageException($"Bad stdio forwarding specification '{value}'") { Hint = "Expected host:port, or the path of a Unix socket; an IPv6 address goes in brackets." };
        _result.ForwardOnly();
    }

    private void TakeJump(string value)
    {
        bool Has(string keyword) => _result.Lines.Exists(line => line.StartsWith(keyword, StringComparison.OrdinalIgnoreCase));
        if (Has("ProxyJump"))
        {
            throw new UsageException("Only a single -J option is permitted (use commas to separate multiple jump hops)");
        }

        if (Has("ProxyCommand"))
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
        // A pattern with tokens can only be looked for once they are known.
        var file = path.StartsWith("~/", StringComparison.Ordinal)
            ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), path[2..])
            : path;
        if (path == "none" || path.Contains('%', StringComparison.Ordinal) || path.Contains('$', StringComparison.Ordinal) || File.Exists(file))
        {
            _result.Lines.Add($"IdentityFile {Quote(path)}");
        }
        else
        {
            _result.Warnings.Add($"Warning: Identity file {path} not accessible: {(Directory.Exists(file) ? "Is a directory" : "No such file or directory")}.");
        }
    }

    private static bool IsEscapeCharacter(string value) =>
        value == "none" || value.Length == 1 || (value.Length == 2 && value[0] == '^' && value[1] is >= '@' and <= '\x7f');

    /// <summary>One argument of a configuration line, whatever is in it.</summary>
    private static string Quote(string value) => $"\"{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";

    private static string Checked(AlgorithmKind kind, string what, string value) =>
        Algorithms.ApplySpec(kind, Algorithms.Defaults(kind), value).Succeeded
            ? value
            : throw new UsageException($"Unknown {what} type '{value}'") { Hint = $"\"adit -Q {what}\" lists the names." };

    /// <summary>A flag that ssh has and this version does not obey is refused: leaving it out in silence could expose what it protects.</summary>
    private static UsageException NotYet(char flag)
    {
        var what = flag switch
        {
            'w' => "tunnel devices",
            'I' => "PKCS#11 keys",
            'K' => "GSSAPI",
            'Z' => "listing the keys to be tried",
            _ => "this",
        };
        return new UsageException($"adit: -{flag} ({what}) is not built yet in this version.");
    }
}
