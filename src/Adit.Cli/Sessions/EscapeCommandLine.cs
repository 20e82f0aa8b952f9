using Adit.Cli.Client;
using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Sessions;

/// <summary>A line of the escape command line: -L, -R and -D add a forward, -KL, -KR and -KD cancel one, "!command" runs a command here, -h and ? list these.</summary>
internal sealed class EscapeCommandLine(ForwardTable forwards, bool permitLocalCommand, LogOutput log)
{
    public async Task RunAsync(string line, CancellationToken cancellationToken)
    {
        var text = line.Trim(' ', '\t');
        if (text.Length == 0)
        {
            return;
        }

        if (text is ['-', ..])
        {
            text = text[1..];
        }

        switch (text)
        {
            case ['h' or 'H' or '?', ..]:
                Help();
                break;
            case ['!', .. var command] when permitLocalCommand:
                await LocalCommand.RunAsync(command.Trim(), log, cancellationToken).ConfigureAwait(false);
                break;
            case ['K' or 'k', var letter, .. var rest] when KindOf(letter) is { } kind:
                await CancelAsync(kind, rest).ConfigureAwait(false);
                break;
            case [var letter, .. var rest] when KindOf(letter) is { } kind:
                await AddAsync(kind, rest, cancellationToken).ConfigureAwait(false);
                break;
            default:
                Say("Invalid command.");
                break;
        }
    }

    private static ForwardKind? KindOf(char letter) => char.ToUpperInvariant(letter) switch
    {
        'L' => ForwardKind.Local,
        'R' => ForwardKind.Remote,
        'D' => ForwardKind.Dynamic,
        _ => null,
    };

    private void Say(string text) => log.Write(OpenSshLogLevel.Info, text);

    private void Help()
    {
        Say("Commands:");
        Say("      -L[bind_address:]port:host:hostport    add a local forward");
        Say("      -R[bind_address:]port:host:hostport    add a remote forward");
        Say("      -D[bind_address:]port                  add a dynamic forward");
        Say("      -KL[bind_address:]port                 cancel a local forward");
        Say("      -KR[bind_address:]port                 cancel a remote forward");
        Say("      -KD[bind_address:]port                 cancel a dynamic forward");
        if (permitLocalCommand)
        {
            Say("      !args                                  run a command here");
        }
    }

    private async Task AddAsync(ForwardKind kind, string text, CancellationToken cancellationToken)
    {
        if (!ForwardSpecification.TryParse(text.Trim(), kind, out var specification))
        {
            Say("Bad forwarding specification.");
            return;
        }

        try
        {
            await forwards.AddAsync(specification, cancellationToken).ConfigureAwait(false);
            Say("Forwarding port.");
        }
        catch (SshException e) when (e.Error is SshError.ForwardFailed or SshError.PolicyDenied)
        {
            log.Write(OpenSshLogLevel.Error, e.Message);
            Say("Port forwarding failed.");
        }
    }

    /// <summary>What to stop listening on is written as the beginning of what was asked for: "[bind:]port", or a path.</summary>
    private async Task CancelAsync(ForwardKind kind, string text)
    {
        ForwardAddress listen;
        var what = text.Trim();
        if (ForwardSpecification.TryParse(what, ForwardKind.Remote, out var specification))
        {
            listen = specification.Listen;
        }
        else if (!what.StartsWith('/') || !ForwardAddress.TryParse(what, out listen))
        {
            Say("Bad forwarding close specification.");
            return;
        }

        Say(await forwards.CancelAsync(kind, listen).ConfigureAwait(false) ? "Canceled forwarding." : "Unknown port forwarding.");
    }
}
