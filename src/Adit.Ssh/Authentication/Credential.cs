using Adit.Ssh.Keys;

namespace Adit.Ssh.Authentication;

/// <summary>Something a client can log in with. Tried in the order given, per method, as the server allows.</summary>
public abstract class Credential
{
    private protected Credential()
    {
    }

    /// <summary>One key, asked for by its public half and used to sign only when the server accepts that.</summary>
    public static Credential Key(ISigner signer) => throw new NotImplementedException();

    /// <summary>A private key file in any format <c>KeyFile</c> reads. <paramref name="passphrase"/> is asked (up to three times) when it is encrypted; null from it skips the key.</summary>
    public static Credential PrivateKeyFile(string path, Func<string, CancellationToken, ValueTask<string?>>? passphrase = null) => throw new NotImplementedException();

    /// <summary>Every key of the agent at <paramref name="socketPath"/> (SSH_AUTH_SOCK when null). No agent: no keys, no error.</summary>
    public static Credential Agent(string? socketPath = null) => throw new NotImplementedException();

    /// <summary>A fixed password, tried once.</summary>
    public static Credential Password(string password) => throw new NotImplementedException();

    /// <summary>A password that is asked for, up to <paramref name="attempts"/> times; null gives up. The argument is the prompt.</summary>
    public static Credential Password(Func<string, CancellationToken, ValueTask<string?>> ask, int attempts = 3) => throw new NotImplementedException();

    /// <summary>keyboard-interactive; <paramref name="answer"/> returns one answer per prompt, or null to give up.</summary>
    public static Credential KeyboardInteractive(Func<KeyboardInteractiveChallenge, CancellationToken, ValueTask<IReadOnlyList<string>?>> answer, int attempts = 3) =>
        throw new NotImplementedException();
}

/// <summary>What the server asks in keyboard-interactive (RFC 4256, section 3.2). All texts are bounded and escaped for a terminal; there may be no prompts at all.</summary>
public sealed record KeyboardInteractiveChallenge(string Name, string Instruction, IReadOnlyList<KeyboardInteractivePrompt> Prompts)
{
    /// <summary>"user@host": OpenSSH shows it in parentheses before each prompt, so that a server cannot pose as another one.</summary>
    public string Destination { get; init; } = "";
}
