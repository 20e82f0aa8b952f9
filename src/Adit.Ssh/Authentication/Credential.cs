using Adit.Ssh.Keys;

namespace Adit.Ssh.Authentication;

/// <summary>Something a client can log in with. Tried in the order given, per method, as the server allows.</summary>
public abstract class Credential
{
    private protected Credential()
    {
    }

    /// <summary>The authentication method this is for.</summary>
    internal abstract string Method { get; }

    /// <summary>One key. One that <see cref="ISigner.SignsAtOnce"/> is shown to the server together with the signature; any other is asked for by its public half
    /// first and signs only when the server accepts that. It stays the caller's to dispose of.</summary>
    public static Credential Key(ISigner signer)
    {
        ArgumentNullException.ThrowIfNull(signer);
        return new SignerCredential(signer);
    }

    /// <summary>A private key file in any format <see cref="KeyFile"/> reads; "~/" at its start is the home directory. A file that is missing or unusable is
    /// passed over, and named in the error if nothing else works. A certificate beside it ("path-cert.pub") is tried before the bare key.</summary>
    /// <param name="path">The file.</param>
    /// <param name="passphrase">Gets the prompt, up to three times, when the key is encrypted and the server wants it; null from it skips the key.</param>
    /// <param name="used">Gets the private key once, after the server said that it would do and right before it signs: an agent may be given it then.</param>
    public static Credential PrivateKeyFile(
        string path, Func<string, CancellationToken, ValueTask<string?>>? passphrase = null, Func<PrivateKey, CancellationToken, ValueTask>? used = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new KeyFileCredential(path, passphrase, used);
    }

    /// <summary>Every key of the agent at <paramref name="socketPath"/> (SSH_AUTH_SOCK when null). No agent: no keys, no error.</summary>
    public static Credential Agent(string? socketPath = null) => new AgentCredential(socketPath, [], preferredOnly: false);

    /// <summary>Keys of an agent, those in <paramref name="preferred"/> first and in that order (OpenSSH puts the keys named by IdentityFile there).</summary>
    /// <param name="socketPath">The agent's Unix socket; SSH_AUTH_SOCK when null.</param>
    /// <param name="preferred">Public keys or certificates.</param>
    /// <param name="preferredOnly">No others (IdentitiesOnly).</param>
    public static Credential Agent(string? socketPath, IReadOnlyList<PublicKey> preferred, bool preferredOnly)
    {
        ArgumentNullException.ThrowIfNull(preferred);
        return new AgentCredential(socketPath, preferred, preferredOnly);
    }

    /// <summary>Keys that are looked for once the server is known, when their turn has come: <paramref name="find"/> is called then, and what it returns takes this one's
    /// place. <paramref name="agent"/> is told first which session it is going to sign for (session-bind@openssh.com), so that it lists and uses keys that are meant for
    /// certain hosts as it should. It stays the caller's.</summary>
    /// <param name="agent">The agent that <paramref name="find"/> is going to ask; null for none.</param>
    /// <param name="find">Public-key credentials in their order; others are passed over. It should ask no person.</param>
    public static Credential Deferred(SshAgent? agent, Func<CancellationToken, ValueTask<IReadOnlyList<Credential>>> find)
    {
        ArgumentNullException.ThrowIfNull(find);
        return new DeferredCredential(agent, find);
    }

    /// <summary>A fixed password, tried once.</summary>
    public static Credential Password(string password)
    {
        ArgumentNullException.ThrowIfNull(password);
        return new PasswordCredential((_, _) => ValueTask.FromResult<string?>(password), attempts: 1, isFixed: true);
    }

    /// <summary>A password that is asked for, up to <paramref name="attempts"/> times; null gives up. The argument is the prompt. Where the password
    /// has expired, <paramref name="ask"/> is called for a new one too, twice, with prompts that say so.</summary>
    public static Credential Password(Func<string, CancellationToken, ValueTask<string?>> ask, int attempts = 3)
    {
        ArgumentNullException.ThrowIfNull(ask);
        return new PasswordCredential(ask, attempts, isFixed: false);
    }

    /// <summary>keyboard-interactive; <paramref name="answer"/> returns one answer per prompt, or null to give up.</summary>
    public static Credential KeyboardInteractive(Func<KeyboardInteractiveChallenge, CancellationToken, ValueTask<IReadOnlyList<string>?>> answer, int attempts = 3)
    {
        ArgumentNullException.ThrowIfNull(answer);
        return new KeyboardInteractiveCredential(answer, attempts);
    }
}

/// <summary>What the server asks in keyboard-interactive (RFC 4256, section 3.2). All texts are bounded and escaped for a terminal; there may be no prompts at all.</summary>
public sealed record KeyboardInteractiveChallenge(string Name, string Instruction, IReadOnlyList<KeyboardInteractivePrompt> Prompts)
{
    /// <summary>"user@host": OpenSSH shows it in parentheses before each prompt, so that a server cannot pose as another one.</summary>
    public string Destination { get; init; } = "";
}
