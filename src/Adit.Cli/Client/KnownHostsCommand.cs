using System.ComponentModel;
using System.Diagnostics;
using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Client;

/// <summary>KnownHostsCommand: a program, run without a shell, whose output is read as known_hosts is.</summary>
internal sealed class KnownHostsCommand(string command, SshConfigValues config, LogOutput log)
{
    private const string UsualTokens = "CLdhijklnpru";
    private const int MaxOutput = 1 << 20;

    /// <summary>Null when it could not be run or failed: then it knows nothing. Throws <see cref="SshException"/> (<see cref="SshError.Configuration"/>) for a command line that
    /// makes no sense.</summary>
    public string? Run(KnownHostsQuery query)
    {
        var tag = $"KnownHostsCommand-{query.Reason}";
        if (!OpenSshLexer.TrySplit(command, comments: false, out var words) || words.Count == 0)
        {
            throw new SshException(SshError.Configuration, $"{tag} \"{command}\" contains invalid quotes");
        }

        var tokens = Tokens(query);
        List<string> arguments = [.. words.Select(tokens.ExpandWithEnvironment)];
        if (!arguments[0].StartsWith('/'))
        {
            log.Write(OpenSshLogLevel.Error, $"{tag} path is not absolute");
            return null;
        }

        log.Write(OpenSshLogLevel.Debug3, $"{tag} command \"{string.Join(' ', arguments)}\" running");
        var start = new ProcessStartInfo(arguments[0], arguments.Skip(1)) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };
        try
        {
            using var process = Process.Start(start)!;
            process.StandardInput.Close();
            var output = new char[MaxOutput];
            var length = process.StandardOutput.ReadBlock(output, 0, output.Length);
            process.StandardOutput.Close();
            process.WaitForExit();
            if (process.ExitCode == 0)
            {
                return new string(output, 0, length);
            }

            log.Write(OpenSshLogLevel.Error, $"{tag} {arguments[0]} failed, status {process.ExitCode}");
        }
        catch (Win32Exception e)
        {
            log.Write(OpenSshLogLevel.Error, $"{tag} {arguments[0]}: {e.Message}");
        }

        return null;
    }

    /// <summary>The usual ones, and those about the key: %t %f %K %H %I. Before there is a key they stand for nothing.</summary>
    private TokenExpander Tokens(KnownHostsQuery query)
    {
        var usual = config.Tokens;
        return new TokenExpander(
        [
            .. UsualTokens.Where(letter => usual[letter] is not null).Select(letter => KeyValuePair.Create(letter, usual[letter]!)),
            new('H', query.Name),
            new('I', query.Reason),
            new('t', query.Key?.KeyType ?? "NONE"),
            new('f', query.Key?.Fingerprint ?? "NONE"),
            new('K', query.Key is { } key ? Convert.ToBase64String(key.Blob.Span) : "NONE"),
        ]);
    }
}
