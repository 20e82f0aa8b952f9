using System.Globalization;
using Adit.Server.Configuration;
using Adit.Server.Processes;
using Adit.Server.Users;
using Adit.Ssh.Authentication;

namespace Adit.Server.Sessions;

/// <summary>The environment of a session's program, as sshd sets it: what is set later goes before.</summary>
internal sealed class SessionEnvironment
{
    /// <summary>PATH as Debian's sshd is built with.</summary>
    private const string UserPath = "/usr/local/bin:/usr/bin:/bin:/usr/games", RootPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    private readonly Dictionary<string, string> _variables = new(StringComparer.Ordinal);

    public IDictionary<string, string> Variables => _variables;

    /// <summary>What a client sent, then what every login has.</summary>
    /// <param name="account">Who logged in.</param>
    /// <param name="shell">Their shell.</param>
    /// <param name="client">What the client sent and the server accepts.</param>
    /// <param name="term">The kind of terminal; null for none.</param>
    /// <param name="usesPam">PAM sets MAIL then.</param>
    public void AddBasics(UserAccount account, string shell, IEnumerable<KeyValuePair<string, string>> client, string? term, bool usesPam)
    {
        foreach (var (name, value) in client)
        {
            Set(name, value);
        }

        Set("USER", account.Name);
        Set("LOGNAME", account.Name);
        Set("HOME", account.HomeDirectory);
        Set("PATH", account.IsRoot ? RootPath : UserPath);
        if (!usesPam)
        {
            Set("MAIL", $"/var/mail/{account.Name}");
        }

        Set("SHELL", shell);
        if (Environment.GetEnvironmentVariable("TZ") is { } zone)
        {
            Set("TZ", zone);
        }

        if (term is not null)
        {
            Set("TERM", term);
        }
    }

    /// <summary>What credentials bring: the first of a name counts, as in authorized_keys.</summary>
    public void AddCredentials(IEnumerable<KeyValuePair<string, string>> variables)
    {
        foreach (var (name, value) in variables.DistinctBy(variable => variable.Key))
        {
            Set(name, value);
        }
    }

    /// <summary>A file of the user's, "NAME=VALUE" per line (~/.ssh/environment). Returns what is to be said about bad lines.</summary>
    public string AddFile(string path, ReadOnlySpan<byte> content, EnvironmentNames permitted)
    {
        var problems = "";
        var number = 0;
        foreach (var range in content.Split((byte)'\n'))
        {
            number++;
            var line = content[range].TrimStart(" \t"u8);
            if (line.IsEmpty || line[0] == (byte)'#')
            {
                continue;
            }

            var text = OsText.Decode(line);
            var equals = text.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0)
            {
                problems += $"Bad line {number.ToString(CultureInfo.InvariantCulture)} in {path}\n";
            }
            else if (permitted.Permits(text[..equals]))
            {
                Set(text[..equals], text[(equals + 1)..]);
            }
        }

        return problems;
    }

    /// <summary>What PAM's modules set, but for what this server told them.</summary>
    public void AddPam(IEnumerable<string> variables)
    {
        foreach (var variable in variables)
        {
            var equals = variable.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0 && !variable.StartsWith("SSH_AUTH_INFO", StringComparison.Ordinal) && !variable.StartsWith("SSH_CONNECTION", StringComparison.Ordinal))
            {
                Set(variable[..equals], variable[(equals + 1)..]);
            }
        }
    }

    /// <summary>What the server's configuration sets (SetEnv).</summary>
    public void AddConfigured(IEnumerable<string> variables)
    {
        foreach (var variable in variables)
        {
            var equals = variable.IndexOf('=', StringComparison.Ordinal);
            Set(variable[..equals], variable[(equals + 1)..]);
        }
    }

    /// <summary>What nobody else may set.</summary>
    /// <param name="peer">Where the connection comes from.</param>
    /// <param name="terminal">The terminal's path; null for none.</param>
    /// <param name="original">What the client asked for where something else runs.</param>
    public void AddConnection(AuthenticationPeer peer, string? terminal, string? original)
    {
        var (remotePort, localPort) = (peer.RemotePort.ToString(CultureInfo.InvariantCulture), peer.LocalPort.ToString(CultureInfo.InvariantCulture));
        Set("SSH_CLIENT", $"{peer.RemoteAddress} {remotePort} {localPort}");
        Set("SSH_CONNECTION", $"{peer.RemoteAddress} {remotePort} {peer.LocalAddress} {localPort}");
        if (terminal is not null)
        {
            Set("SSH_TTY", terminal);
        }

        if (original is not null)
        {
            Set("SSH_ORIGINAL_COMMAND", original);
        }
    }

    /// <summary>A name that is none, and text that would end early, is left out.</summary>
    private void Set(string name, string value)
    {
        if (name.Length > 0 && !name.Contains('=') && !name.Contains('\0') && !value.Contains('\0'))
        {
            _variables[name] = value;
        }
    }
}
