using System.Globalization;
using Adit.Server.Configuration;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;

namespace Adit.Server.Sftp;

/// <summary>internal-sftp's options, which are sftp-server(8)'s.</summary>
internal sealed class SftpOptions
{
    /// <summary>-h, and anything that is not understood.</summary>
    public const string Usage = "usage: internal-sftp [-ehR] [-d start_directory] [-f log_facility] [-l log_level]\n\t[-P denied_requests] [-p allowed_requests] [-u umask]\n       internal-sftp -Q protocol_feature\n";

    private const string WithValue = "dflPpQu", Flags = "cehR";
    private const uint MostUmask = 0x1FF; // 0777

    private static readonly string[] Facilities = ["DAEMON", "USER", "AUTH", "AUTHPRIV", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5", "LOCAL6", "LOCAL7"];

    private string[]? _allowed, _denied;

    public bool IsReadOnly { get; private set; }

    /// <summary>-e: what would be logged is written to standard error.</summary>
    public bool LogsToStandardError { get; private set; }

    public SshdLogLevel Level { get; private set; } = SshdLogLevel.Error;

    public string? Facility { get; private set; }

    /// <summary>With the tokens replaced; null for the home folder.</summary>
    public string? StartFolder { get; private set; }

    public uint? Umask { get; private set; }

    /// <summary>What is to be said in place of serving anything (on standard output where <see cref="EndStatus"/> is 0, else on standard error).</summary>
    public string? End { get; private set; }

    public int EndStatus { get; private set; }

    /// <param name="arguments">Without the program's name.</param>
    /// <param name="user">%u.</param>
    /// <param name="home">%d, and what ~ stands for.</param>
    /// <param name="uid">%U.</param>
    public static SftpOptions Parse(IReadOnlyList<string> arguments, string user, string home, uint uid)
    {
        var options = new SftpOptions();
        for (var i = 0; i < arguments.Count && arguments[i] is ['-', _, ..] word && word != "--" && options.End is null; i++)
        {
            for (var at = 1; at < word.Length && options.End is null; at++)
            {
                if (Flags.Contains(word[at], StringComparison.Ordinal))
                {
                    options.SetFlag(word[at]);
                    continue;
                }

                if (!WithValue.Contains(word[at], StringComparison.Ordinal) || (at == word.Length - 1 && i == arguments.Count - 1))
                {
                    options.Stop(Usage, 1);
                    break;
                }

                options.Set(word[at], at == word.Length - 1 ? arguments[++i] : word[(at + 1)..], user, home, uid);
                break;
            }
        }

        return options;
    }

    /// <summary>As sftp-server: -R first, then what is denied, then what is allowed.</summary>
    public bool Permits(SftpRequest request, out string? why)
    {
        why = IsReadOnly && request.Writes ? $"Refusing {request.Name} request in read-only mode"
            : Matches(request.Name, _denied) ? $"Refusing denylisted {request.Name} request"
            : _allowed is not null && !Matches(request.Name, _allowed) ? $"Refusing non-allowlisted {request.Name} request"
            : null;
        return why is null;
    }

    private static bool Matches(string name, string[]? list) => list is not null && Array.IndexOf(list, name) >= 0;

    private void SetFlag(char flag)
    {
        switch (flag)
        {
            case 'e':
                LogsToStandardError = true;
                break;
            case 'R':
                IsReadOnly = true;
                break;
            default:
                // -c is what a login shell is given; what it would run is not for internal-sftp.
                Stop(Usage, 1);
                break;
        }
    }

    private void Set(char option, string value, string user, string home, uint uid)
    {
        switch (option)
        {
            case 'd':
                var folder = value == "~" || value.StartsWith("~/", StringComparison.Ordinal) ? home.Replace("%", "%%", StringComparison.Ordinal) + value[1..] : value;
                SetStartFolder(folder, user, home, uid);
                break;
            case 'f':
                Facility = value;
                if (!Array.Exists(Facilities, facility => facility.Equals(value, StringComparison.OrdinalIgnoreCase)))
                {
                    Stop($"Invalid log facility \"{value}\"\n", 1);
                }

                break;
            case 'l':
                SetLevel(value);
                break;
            case 'p' or 'P' when (option == 'p' ? _allowed : _denied) is not null:
                Stop(option == 'p' ? "Permitted requests already set\n" : "Refused requests already set\n", byte.MaxValue);
                break;
            case 'p':
                _allowed = value.Split(',');
                break;
            case 'P':
                _denied = value.Split(',');
                break;
            case 'u':
                SetUmask(value);
                break;
            default:
                var isKnown = value.Equals("requests", StringComparison.OrdinalIgnoreCase);
                Stop(isKnown ? string.Concat(Array.ConvertAll(SftpRequest.All, request => request.Name + "\n")) : "Invalid query type\n", isKnown ? 0 : 1);
                break;
        }
    }

    private void SetStartFolder(string pattern, string user, string home, uint uid)
    {
        try
        {
            StartFolder = new TokenExpander([new('d', home), new('u', user), new('U', uid.ToString(CultureInfo.InvariantCulture))]).Expand(pattern);
        }
        catch (SshException problem)
        {
            Stop(problem.Message + "\n", byte.MaxValue);
        }
    }

    private void SetLevel(string value)
    {
        if (SshdLogLevels.TryParse(value, out var level))
        {
            Level = level;
        }
        else
        {
            Stop($"Invalid log level \"{value}\"\n", 1);
        }
    }

    private void SetUmask(string value)
    {
        uint mask = 0;
        var isGood = value.Length > 0;
        foreach (var digit in value)
        {
            isGood = isGood && digit is >= '0' and <= '7' && mask <= MostUmask;
            mask = (mask * 8) + (uint)(digit - '0');
        }

        Umask = mask;
        if (!isGood || mask > MostUmask)
        {
            Stop($"Invalid umask \"{value}\"\n", byte.MaxValue);
        }
    }

    private void Stop(string text, int status)
    {
        End = text;
        EndStatus = status;
    }
}
