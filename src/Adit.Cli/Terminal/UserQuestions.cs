using Adit.Cli.Diagnostics;
using Adit.Ssh.Authentication;

namespace Adit.Cli.Terminal;

/// <summary>The questions of a login, put to the person as ssh puts them. What the server wrote has been escaped by the library.</summary>
internal sealed class UserQuestions(IPrompter prompter, LogOutput log)
{
    /// <summary>A password or passphrase: not shown while it is typed.</summary>
    public ValueTask<string?> AskSecretAsync(string prompt, CancellationToken cancellationToken) => prompter.AskAsync(prompt, echo: false, cancellationToken);

    /// <summary>Whether to trust a host key.</summary>
    public ValueTask<string?> ConfirmAsync(string prompt, CancellationToken cancellationToken) => prompter.AskAsync(prompt, echo: true, cancellationToken);

    /// <summary>keyboard-interactive: each prompt is marked with where it comes from, so that no server can pose as another. Null gives up.</summary>
    public async ValueTask<IReadOnlyList<string>?> AnswerAsync(KeyboardInteractiveChallenge challenge, CancellationToken cancellationToken)
    {
        foreach (var text in new[] { challenge.Name, challenge.Instruction })
        {
            if (text.Length > 0)
            {
                log.Write(OpenSshLogLevel.Info, text);
            }
        }

        var answers = new List<string>(challenge.Prompts.Count);
        foreach (var prompt in challenge.Prompts)
        {
            var answer = await prompter.AskAsync($"({challenge.Destination}) {prompt.Text}", prompt.Echo, cancellationToken).ConfigureAwait(false);
            if (answer is null)
            {
                return null;
            }

            answers.Add(answer);
        }

        return answers;
    }
}
