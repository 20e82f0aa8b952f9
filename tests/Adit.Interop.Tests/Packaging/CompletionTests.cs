using Adit.Interop.Tests.Harness;

namespace Adit.Interop.Tests.Packaging;

/// <summary>The shells themselves are asked what they would propose, with the scripts that the program prints.</summary>
public sealed class CompletionTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    /// <summary>What readline does before it calls a completion function: cuts the line at blanks and at '=', ':' and '@'.</summary>
    private const string Bash =
        """
        compopt() { :; }
        ask() {
          local rest=$1 part
          COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=() COMPREPLY=()
          while [[ $rest =~ ^[[:blank:]]*([=:@]+|[^=:@[:blank:]]+) ]]; do
            COMP_WORDS+=("${BASH_REMATCH[1]}")
            rest=${rest:${#BASH_REMATCH[0]}}
          done
          [[ $1 != *' ' ]] || COMP_WORDS+=('')
          COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
          _adit
          printf '%s\n' "${COMPREPLY[@]}"
        }
        source "$1"
        ask "$2"
        """;

    private const string Zsh =
        """
        zmodload zsh/zpty
        zpty z 'TERM=dumb zsh -f -i'
        zpty -w z "PS1='G''O'; autoload -Uz compinit; compinit -u -D; source $1; setopt no_always_last_prompt; LISTMAX=1000; bindkey '^I' list-choices; COLUMNS=200; stty -echo; print RE''ADY"
        zpty -r z out '*READY*GO*' || exit 3 # the prompt comes when the line editor has the terminal
        zpty -w -n z "$2"$'\t'
        zpty -w -n z $'\C-u'"print DO''NE"$'\n'
        zpty -r z out '*DONE*' || exit 4
        print -r -- "$out"
        zpty -d z
        """;

    private readonly TempFolder _home = new();

    public CompletionTests()
    {
        Directory.CreateDirectory(_home[".ssh/conf.d"]);
        Directory.CreateDirectory(_home["bin"]);
        File.CreateSymbolicLink(_home["bin/adit"], Machine.Adit);
        _home.Write(".ssh/config", "Include conf.d/*\nHost alpha beta *.pattern !never\n");
        _home.Write(".ssh/conf.d/more", "Host gamma\n");
        _home.Write(".ssh/known_hosts", "[delta.example]:2222,192.0.2.7 ssh-ed25519 AAAA\n|1|abc=|def= ssh-ed25519 AAAA\n@revoked gone.example ssh-ed25519 AAAA\n");
    }

    public void Dispose() => _home.Dispose();

    [Theory]
    [InlineData("bash", "adit s", "ssh", "sshd")]
    [InlineData("bash", "adit ssh al", "alpha")]
    [InlineData("bash", "adit ssh ", "192.0.2.7", "alpha", "beta", "delta.example", "gamma")]
    [InlineData("bash", "adit ssh bob@ga", "gamma")] // readline has cut behind the '@'
    [InlineData("bash", "adit -N -L 80:localhost:80 ga", "gamma")]
    [InlineData("bash", "adit ssh -NF/dev/null -p 22 d", "delta.example")]
    [InlineData("bash", "adit ssh -J alpha,be", "alpha,beta")]
    [InlineData("bash", "adit ssh -o forwarda", "ForwardAgent=")]
    [InlineData("bash", "adit sshd -o PermitRoot", "PermitRootLogin=")]
    [InlineData("bash", "adit ssh -Q ci", "cipher", "cipher-auth")]
    [InlineData("bash", "adit ssh -O ", "check", "forward", "cancel", "stop", "exit")]
    [InlineData("bash", "adit ssh -i /etc/passw", "/etc/passwd")]
    [InlineData("bash", "adit ssh -E /etc/passw", "/etc/passwd")]
    [InlineData("bash", "adit ssh -c aes128-ctr,aes256-c", "aes128-ctr,aes256-ctr")]
    [InlineData("bash", "adit keygen -t ", "ed25519", "ecdsa", "rsa")]
    [InlineData("bash", "adit ssh --", "--agent-confirm", "--help")]
    [InlineData("zsh", "adit s", "ssh", "sshd")]
    [InlineData("zsh", "adit ssh al", "alpha")]
    [InlineData("zsh", "adit ssh bob@ga", "gamma")]
    [InlineData("zsh", "adit -N -L 80:localhost:80 ga", "gamma")]
    [InlineData("zsh", "adit ssh -Q ci", "cipher", "cipher-auth")]
    [InlineData("zsh", "adit ssh -o ForwardA", "ForwardAgent")]
    [InlineData("zsh", "adit sshd -f /etc/passw", "passwd")] // listed without their folder
    [InlineData("fish", "adit s", "ssh", "sshd")]
    [InlineData("fish", "adit ssh al", "alpha")]
    [InlineData("fish", "adit ssh bob@ga", "bob@gamma")]
    [InlineData("fish", "adit -N ", "192.0.2.7", "alpha", "beta", "delta.example", "gamma")]
    [InlineData("fish", "adit ssh -J alpha,be", "alpha,beta")]
    [InlineData("fish", "adit ssh -Q ci", "cipher", "cipher-auth")]
    [InlineData("fish", "adit ssh -O e", "exit")]
    [InlineData("fish", "adit ssh -i /etc/passw", "/etc/passwd")]
    public async Task Proposes(string shell, string line, params string[] expected)
    {
        Need.Tools(shell);
        var proposed = await AskAsync(shell, line);

        // Files beside the one meant (passwd-) and other hosts of this machine's own /etc/ssh may be there too.
        Assert.All(expected, word => Assert.Contains(word, proposed));
        Assert.DoesNotContain("*.pattern", proposed);
        Assert.DoesNotContain(proposed, word => word.Contains("never", StringComparison.Ordinal) || word.Contains("gone.example", StringComparison.Ordinal));
        if (shell == "bash" && !line.Contains("/etc/", StringComparison.Ordinal))
        {
            Assert.Equal(expected.Length, proposed.Count);
        }
    }

    [Theory]
    [InlineData("bash", "adit nothing ")]
    [InlineData("bash", "adit ssh -p ")]
    [InlineData("fish", "adit ssh -p ")]
    public async Task ProposesNothingWhereThereIsNothing(string shell, string line)
    {
        Need.Tools(shell);
        Assert.Empty(await AskAsync(shell, line));
    }

    private async Task<IReadOnlyList<string>> AskAsync(string shell, string line)
    {
        var environment = new Dictionary<string, string?>
        {
            ["HOME"] = _home.FullPath,
            ["PATH"] = $"{_home["bin"]}:{Environment.GetEnvironmentVariable("PATH")}",
        };
        var script = await ManagedProcess.RunAsync("adit", Machine.Adit, ["completion", shell], Deadline);
        Assert.Equal(0, script.ExitCode);
        var file = _home.Write("script", script.Output);
        string[] arguments = shell switch
        {
            "bash" => ["--norc", "-c", Bash, "bash", file, line],
            "zsh" => ["-f", "-c", Zsh, "zsh", file, line],
            _ => ["--no-config", "-c", $"source '{file}'; complete -C'{line}'"],
        };
        var result = await ManagedProcess.RunAsync(shell, Machine.Tool(shell), arguments, Deadline, environment);
        Assert.True(result.ExitCode is 0 or 1, result.ToString());

        // zsh's listing has several on a line, with control characters about; fish's has a description behind a tab.
        return shell switch
        {
            "zsh" => [.. result.Output.Split('\n').SelectMany(text => text.Split([' ', '\r', '\u001b'], StringSplitOptions.RemoveEmptyEntries))
                .Select(word => word.StartsWith("[0m", StringComparison.Ordinal) ? word[3..] : word)],
            _ => [.. result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(text => text.Split('\t')[0])],
        };
    }
}
