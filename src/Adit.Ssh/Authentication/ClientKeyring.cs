using Adit.Ssh.Keys;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Authentication;

/// <summary>The keys of a login in the order of its credentials, each once. A credential is opened only when its turn comes, for that may ask for a
/// passphrase; what it gave is kept for a second round.</summary>
internal sealed class ClientKeyring(ClientConversation conversation, ClientAuthenticationReport report) : IAsyncDisposable
{
    /// <summary>Most keys taken from one credential (an agent).</summary>
    private const int MaxKeys = 512;

    private readonly List<PublicKeyCredential> _credentials = [.. conversation.Options.Credentials.OfType<PublicKeyCredential>()];
    private readonly List<ISigner> _keys = [];
    private readonly HashSet<PublicKey> _seen = [];
    private readonly List<OpenedKeys> _opened = [];
    private int _next;

    /// <summary>The next key, or null after the last one.</summary>
    public async ValueTask<ISigner?> NextAsync(CancellationToken cancellationToken)
    {
        while (_next >= _keys.Count)
        {
            if (_opened.Count >= _credentials.Count)
                return null;
            await OpenAsync(_credentials[_opened.Count], cancellationToken).ConfigureAwait(false);
        }
        return _keys[_next++];
    }

    /// <summary>The next key as long as getting at it disturbs nobody; null where it would, or where there is none.</summary>
    public async ValueTask<ISigner?> NextSilentlyAsync(CancellationToken cancellationToken)
    {
        while (_next >= _keys.Count)
        {
            if (_opened.Count >= _credentials.Count || !_credentials[_opened.Count].OpensSilently)
                return null;
            await OpenAsync(_credentials[_opened.Count], cancellationToken).ConfigureAwait(false);
        }
        return _keys[_next++];
    }

    /// <summary>Puts the key that was taken last back.</summary>
    public void PutBack() => _next--;

    /// <summary>Starts over with the first key.</summary>
    public void Rewind() => _next = 0;

    public async ValueTask DisposeAsync()
    {
        foreach (var opened in _opened)
            await opened.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Opens the next credential, or puts what it stands for in its place.</summary>
    private async ValueTask OpenAsync(PublicKeyCredential credential, CancellationToken cancellationToken)
    {
        OpenedKeys opened;
        try
        {
            if (await credential.ResolveAsync(conversation.Exchange, conversation.Logger, cancellationToken).ConfigureAwait(false) is { } others)
            {
                _credentials.RemoveAt(_opened.Count);
                _credentials.InsertRange(_opened.Count, others.OfType<PublicKeyCredential>());
                return;
            }
            opened = await credential.OpenAsync(conversation.Exchange, conversation.Logger, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            // A missing file, a wrong passphrase, an agent that is gone: the next credential may do.
            conversation.Logger.Log(credential.IsOptional ? LogLevel.Debug : LogLevel.Warning, "{Reason}", PeerText.Escape(e.Message, maxLength: 2048, keepLines: true));
            string reason = PeerText.Escape(e.Message.Split('\n')[^1]);
            report.Add($"publickey: {PeerText.Escape(credential.Name, 255)}: not usable: {reason}", (e as SshException)?.Hint);
            opened = OpenedKeys.None;
        }
        _opened.Add(opened);
        foreach (var signer in opened.Signers.Take(MaxKeys))
        {
            if (_seen.Add(signer.PublicKey))
                _keys.Add(signer);
        }
    }
}
