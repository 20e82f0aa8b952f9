namespace Adit.Ssh.Keys;

/// <summary>A private key file that signs. An encrypted one is decrypted when the first signature is wanted, so that nobody is asked for the
/// passphrase of a key that the server does not take.</summary>
public sealed class KeyFileSigner : ISigner, IDisposable
{
    private readonly string _path;
    private readonly KeyFileContent _content;
    private readonly Func<string, CancellationToken, ValueTask<string?>>? _passphrase;
    private readonly int _attempts;
    private readonly Func<PrivateKey, CancellationToken, ValueTask>? _used;
    private int _isUsed;
    private readonly SemaphoreSlim _loading = new(1, 1);
    private PrivateKey? _key;
    private SshException? _refusal;

    private KeyFileSigner(string path, KeyFileContent content, Func<string, CancellationToken, ValueTask<string?>>? passphrase, int attempts,
        Func<PrivateKey, CancellationToken, ValueTask>? used)
    {
        _used = used;
        _path = path;
        _content = content;
        _passphrase = passphrase;
        _attempts = attempts;
    }

    public PublicKey PublicKey { get; private set; } = null!;

    /// <summary>The key is there, with nobody left to ask for its passphrase or to be told of its use.</summary>
    public bool SignsAtOnce => Volatile.Read(ref _key) is not null && _used is null;

    /// <summary>The file's path.</summary>
    public string Comment => _path;

    /// <summary>Reads the file. The public half comes from the file itself where it stands in clear, otherwise from the .pub file beside it. Where
    /// neither has it (an encrypted PEM file alone), the passphrase is asked for right away.</summary>
    /// <param name="path">The private key file.</param>
    /// <param name="passphrase">Gets the prompt and returns the passphrase; null or nothing typed gives up. Without it, encrypted keys cannot sign.</param>
    /// <param name="attempts">How often it is asked (NumberOfPasswordPrompts).</param>
    /// <param name="used">Gets the key once, right before its first signature: an agent may be given it then. It stays the signer's.</param>
    /// <param name="cancellationToken">Ends the asking.</param>
    /// <exception cref="SshException">As from <see cref="KeyFile.ReadPrivateKey"/>.</exception>
    public static async ValueTask<KeyFileSigner> OpenAsync(
        string path,
        Func<string, CancellationToken, ValueTask<string?>>? passphrase = null,
        int attempts = 3,
        Func<PrivateKey, CancellationToken, ValueTask>? used = null,
        CancellationToken cancellationToken = default)
    {
        var content = KeyFile.Load(path);
        var signer = new KeyFileSigner(path, content, passphrase, attempts, used);
        var known = content.IsEncrypted ? content.PublicKey ?? FindBeside(path) : null;
        signer.PublicKey = known ?? (await signer.LoadAsync(cancellationToken).ConfigureAwait(false)).PublicKey;
        return signer;
    }

    public async ValueTask<byte[]> SignAsync(string algorithm, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        var key = await LoadAsync(cancellationToken).ConfigureAwait(false);
        if (_used is not null && Interlocked.Exchange(ref _isUsed, 1) == 0)
            await _used(key, cancellationToken).ConfigureAwait(false);
        return key.Sign(algorithm, data.Span);
    }

    /// <summary>The private key itself, for adding it to an agent; stays this object's. Asks for the passphrase if need be.</summary>
    public async ValueTask<PrivateKey> LoadAsync(CancellationToken cancellationToken)
    {
        if (_key is { } loaded)
            return loaded;
        await _loading.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_key is not null)
                return _key;
            _key = await OpenKeyAsync(cancellationToken).ConfigureAwait(false);
            _content.Dispose();
            return _key;
        }
        finally
        {
            _loading.Release();
        }
    }

    public void Dispose()
    {
        _key?.Dispose();
        _content.Dispose();
        _loading.Dispose();
    }

    /// <summary>True where <see cref="OpenAsync"/> would ask for the passphrase, or fail.</summary>
    internal static bool AsksToOpen(string path)
    {
        try
        {
            using var content = KeyFile.Load(path);
            return content.IsEncrypted && (content.PublicKey ?? FindBeside(path)) is null;
        }
        catch (SshException)
        {
            return true;
        }
    }

    private static PublicKey? FindBeside(string path)
    {
        try
        {
            return KeyFile.ReadPublicKey(path + ".pub", out _).PlainKey;
        }
        catch (SshException)
        {
            return null; // the file beside is a convenience; the key file itself decides
        }
    }

    private async ValueTask<PrivateKey> OpenKeyAsync(CancellationToken cancellationToken)
    {
        // Whoever gave up, or had no attempt left, is not asked again for every signature.
        if (_refusal is not null)
            throw _refusal;
        try
        {
            var key = _content.IsEncrypted
                ? await AskAndOpenAsync(cancellationToken).ConfigureAwait(false)
                : KeyFile.Open(_content, _path, null, cancellationToken);
            if (PublicKey is null || PublicKey.Equals(key.PublicKey))
                return key;
            key.Dispose();
            throw new SshException(SshError.InvalidKey, $"private key {_path} contents do not match public")
            {
                Hint = $"{_path}.pub belongs to another key. Make it again with: adit keygen -y -f '{_path}' > '{_path}.pub'",
            };
        }
        catch (SshException e)
        {
            _refusal = e;
            throw;
        }
    }

    private async ValueTask<PrivateKey> AskAndOpenAsync(CancellationToken cancellationToken)
    {
        SshException? wrong = null;
        for (int i = 0; i < _attempts && _passphrase is not null; i++)
        {
            string? passphrase = await _passphrase($"Enter passphrase for key '{_path}': ", cancellationToken).ConfigureAwait(false);
            if (string.IsNullOrEmpty(passphrase))
                break;
            try
            {
                // bcrypt takes a tenth of a second or more: not on the caller's thread.
                return await Task.Run(() => KeyFile.Open(_content, _path, passphrase, cancellationToken), cancellationToken).ConfigureAwait(false);
            }
            catch (SshException e) when (e.Error == SshError.WrongPassphrase)
            {
                wrong = e;
            }
        }
        throw wrong ?? KeyFileError.Load(_path, KeyFileError.WrongPassphrase("the key is encrypted and no passphrase was given"));
    }
}
