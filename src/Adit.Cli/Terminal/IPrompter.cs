namespace Adit.Cli.Terminal;

/// <summary>Asks the person at the keyboard.</summary>
internal interface IPrompter
{
    /// <summary>The answer, or null when there is nobody to ask or they gave up. <paramref name="prompt"/> is shown as it is: what a peer wrote must have been escaped.</summary>
    ValueTask<string?> AskAsync(string prompt, bool echo, CancellationToken cancellationToken);
}

/// <summary>BatchMode: nobody is there.</summary>
internal sealed class NoPrompter : IPrompter
{
    public ValueTask<string?> AskAsync(string prompt, bool echo, CancellationToken cancellationToken) => ValueTask.FromResult<string?>(null);
}
