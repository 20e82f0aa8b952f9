namespace Adit.Ssh.Authentication;

/// <summary>See the Password methods of <see cref="Credential"/>.</summary>
internal sealed class PasswordCredential(Func<string, CancellationToken, ValueTask<string?>> ask, int attempts, bool isFixed) : Credential
{
    internal override string Method => "password";

    internal Func<string, CancellationToken, ValueTask<string?>> Ask => ask;

    internal int Attempts => attempts;

    /// <summary>Nobody is there to choose a new password.</summary>
    internal bool IsFixed => isFixed;
}

/// <summary>See <see cref="Credential.KeyboardInteractive"/>.</summary>
internal sealed class KeyboardInteractiveCredential(
    Func<KeyboardInteractiveChallenge, CancellationToken, ValueTask<IReadOnlyList<string>?>> answer, int attempts) : Credential
{
    internal override string Method => "keyboard-interactive";

    internal Func<KeyboardInteractiveChallenge, CancellationToken, ValueTask<IReadOnlyList<string>?>> Answer => answer;

    internal int Attempts => attempts;
}
