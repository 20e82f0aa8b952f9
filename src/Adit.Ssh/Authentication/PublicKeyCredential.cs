using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Authentication;

/// <summary>A source of keys.</summary>
internal abstract class PublicKeyCredential : Credential
{
    internal sealed override string Method => "publickey";

    /// <summary>What a person knows it by: a path, "agent".</summary>
    internal abstract string Name { get; }

    /// <summary>That it is not there is not worth a warning (an agent, a default key file).</summary>
    internal virtual bool IsOptional => true;

    /// <summary>True where <see cref="OpenAsync"/> asks nobody for anything and is done at once, so that it may be opened before the server has said that it takes keys.</summary>
    internal virtual bool OpensSilently => false;

    /// <summary>What stands for this credential in this login, in its place and order; null where it stands for itself. Throws an <see cref="IOException"/> when there is nothing.</summary>
    internal virtual ValueTask<IReadOnlyList<Credential>?> ResolveAsync(IMessageExchange exchange, ILogger logger, CancellationToken cancellationToken) => new(default(IReadOnlyList<Credential>));

    /// <summary>The keys it has now, for a login over <paramref name="exchange"/>. Throws an <see cref="IOException"/> when it cannot be used.</summary>
    internal abstract ValueTask<OpenedKeys> OpenAsync(IMessageExchange exchange, ILogger logger, CancellationToken cancellationToken);
}

/// <summary>Keys of one credential, and what has to be disposed of when the login is over; null where that is not ours.</summary>
internal sealed record OpenedKeys(IReadOnlyList<ISigner> Signers, object? Owner) : IAsyncDisposable
{
    public static OpenedKeys None { get; } = new([], null);

    public async ValueTask DisposeAsync()
    {
        switch (Owner)
        {
            case IAsyncDisposable asynchronous:
                await asynchronous.DisposeAsync().ConfigureAwait(false);
                break;
            case IDisposable disposable:
                disposable.Dispose();
                break;
        }
    }
}

/// <summary>See <see cref="Credential.Key"/>.</summary>
internal sealed class SignerCredential(ISigner signer) : PublicKeyCredential
{
    internal override string Name => signer.Comment;

    internal override bool OpensSilently => true;

    internal override ValueTask<OpenedKeys> OpenAsync(IMessageExchange exchange, ILogger logger, CancellationToken cancellationToken) =>
        ValueTask.FromResult(new OpenedKeys([signer], null));
}
