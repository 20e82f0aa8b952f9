using Adit.Cli.Diagnostics;
using Adit.Cli.Terminal;
using Adit.Ssh.Forwarding;

namespace Adit.Cli.Client;

/// <summary>--agent-confirm: whether a signature may be made for somebody at the server or beyond. Only a plain yes is one.</summary>
internal sealed class AgentForwardingQuestion(IPrompter prompter, TerminalHold hold, LogOutput log)
{
    public async ValueTask<bool> AskAsync(AgentUse use, CancellationToken cancellationToken)
    {
        string? answer;
        var isAmidOutput = hold.Take();
        try
        {
            var question = $"Allow {use.Server} a signature with {Name(use)}, {use.Purpose}? (yes/no) ";
            answer = await prompter.AskAsync(isAmidOutput ? "\n" + question : question, echo: true, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            hold.GiveBack();
        }

        if (answer is null)
        {
            log.Write(OpenSshLogLevel.Info, $"adit: --agent-confirm: nobody answered; the signature with {Name(use)} for {use.Server} is refused.");
        }

        return answer?.Trim().ToLowerInvariant() is "yes" or "y";
    }

    private static string Name(AgentUse use) => use.Comment.Length == 0 ? use.Key : $"{use.Key} ({use.Comment})";
}
