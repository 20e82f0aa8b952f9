using System.Net.Sockets;
using System.Security.Cryptography;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Keys;

/// <summary>A client of an authentication agent (ssh-agent, gpg-agent, …) at a Unix socket. One connection is opened when it is first needed and kept,
/// because <see cref="BindSessionAsync"/> holds for a connection; when it breaks, the next request opens another and binds it again.
/// Requests may be made from several threads; they go one after the other. Every failure is an <see cref="SshException"/> with
/// <see cref="SshError.AgentFailed"/>; a request that the agent leaves unanswered ends with its cancellation token.</summary>
public sealed class SshAgent : IAsyncDisposable
{
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly List<byte[]> _bindings = [];
    private AgentConnection? _connection;
    private bool _bindingRefused;
    private bool _disposed;

    /// <param name="socketPath">The agent's Unix socket.</param>
    public SshAgent(string socketPath)
    {
        ArgumentException.ThrowIfNullOrEmpty(socketPath);
        SocketPath = socketPath;
    }

    /// <summary>SSH_AUTH_SOCK, or null where it is not set.</summary>
    public static string? DefaultSocketPath =>
        Environment.GetEnvironmentVariable("SSH_AUTH_SOCK") is { Length: > 0 } path ? path : null;

    public string SocketPath { get; }

    /// <summary>The agent's keys and certificates, in its order. They sign through this object. Types that are not known here are left out.</summary>
    public async ValueTask<IReadOnlyList<ISigner>> ListAsync(CancellationToken cancellationToken)
    {
        byte[] reply = await RequestAsync(AgentMessages.RequestIdentities(), cancellationToken).ConfigureAwait(false);
        Expect(reply, AgentMessages.IdentitiesAnswer);
        return Read(() => AgentMessages.ReadIdentities(reply)).ConvertAll(ISigner (k) => new AgentSigner(this, k.Key, k.Comment));
    }

    /// <summary>Tells the agent which SSH session the following signatures are for (session-bind@openssh.com), so that it can keep to a key's
    /// destination constraints.</summary>
    /// <param name="hostKey">The server's host key.</param>
    /// <param name="sessionId">The session identifier.</param>
    /// <param name="signature">The host key's signature over the exchange hash that became the session identifier.</param>
    /// <param name="forwarding">True when the connection is to be forwarded, false when it is used to log in.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False when the agent does not know the extension: it then has no such constraints either. An agent that knows it and says no
    /// makes this object refuse to sign from then on.</returns>
    public async ValueTask<bool> BindSessionAsync(
        PublicKey hostKey, ReadOnlyMemory<byte> sessionId, ReadOnlyMemory<byte> signature, bool forwarding, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(hostKey);
        byte[] message = AgentMessages.SessionBind(hostKey, sessionId.Span, signature.Span, forwarding);
        byte[] reply = await RequestAsync(message, cancellationToken, isBinding: true).ConfigureAwait(false);
        return reply[0] == AgentMessages.Success;
    }

    /// <summary>Gives the agent a key. An agent that does not keep to the constraints refuses: the key is never given without them.</summary>
    /// <param name="key">The private key.</param>
    /// <param name="comment">What the agent calls it.</param>
    /// <param name="constraints">Null for none.</param>
    /// <param name="certificate">When given, the agent holds the certificate with the key.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask AddAsync(
        PrivateKey key, string comment, AgentConstraints? constraints = null, Certificate? certificate = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(comment);
        // The numbers of the largest key take 7 KiB.
        var buffer = new byte[16 * 1024 + (certificate?.Blob.Length ?? 0) + 4 * comment.Length];
        try
        {
            int length = AgentMessages.AddIdentity(key, certificate, comment, constraints ?? AgentConstraints.None, buffer);
            byte[] reply = await RequestAsync(buffer.AsMemory(0, length), cancellationToken).ConfigureAwait(false);
            Expect(reply, AgentMessages.Success);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(buffer);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        _disposed = true;
        _connection?.Dispose();
        _connection = null;
        _turn.Release();
    }

    internal async ValueTask<byte[]> SignAsync(PublicKey key, string algorithm, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        byte[] message = AgentMessages.SignRequest(key, algorithm, data.Span);
        byte[] reply = await RequestAsync(message, cancellationToken, isSigning: true).ConfigureAwait(false);
        Expect(reply, AgentMessages.SignResponse);
        byte[] signature = Read(() => AgentMessages.ReadSignature(reply));
        string made = Read(() => SignatureBlob.AlgorithmOf(signature));
        if (made == KeyAlgorithms.ToPlain(algorithm))
            return signature;
        throw Failed("signature algorithm not supported",
            $"The agent at {SocketPath} signed with {PeerText.Escape(made, 64)} where {algorithm} was asked for; it may be too old for SHA-2 signatures with RSA keys.");
    }

    private async ValueTask<byte[]> RequestAsync(
        ReadOnlyMemory<byte> message, CancellationToken cancellationToken, bool isSigning = false, bool isBinding = false)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            byte[] reply = await ExchangeAsync(message, isSigning, cancellationToken).ConfigureAwait(false);
            if (isBinding)
                NoteBinding(message, reply[0]);
            return reply;
        }
        catch (Exception e) when (e is IOException and not SshException or SocketException)
        {
            string failure = _connection is null ? "Error connecting to agent: " + Reason(e) : "communication with agent failed";
            DropConnection();
            throw Failed(failure, $"The agent at {SocketPath} does not answer: {e.Message}.", e);
        }
        catch (OperationCanceledException)
        {
            DropConnection(); // its reply may still come, and would be taken for that of the next request
            throw;
        }
        finally
        {
            _turn.Release();
        }
    }

    private async ValueTask<byte[]> ExchangeAsync(ReadOnlyMemory<byte> message, bool isSigning, CancellationToken cancellationToken)
    {
        // A connection that was good before may have ended with an agent that was restarted: then one more try is worth it.
        bool wasGood = _connection is { HasAnswered: true };
        while (true)
        {
            try
            {
                var connection = _connection ?? await ConnectAsync(cancellationToken).ConfigureAwait(false);
                if (isSigning && _bindingRefused)
                {
                    throw Failed("agent refused operation",
                        $"The agent at {SocketPath} refused to bind this session (session-bind@openssh.com); nothing is signed through it.");
                }
                return await connection.ExchangeAsync(message, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (wasGood && (e is EndOfStreamException or SocketException))
            {
                wasGood = false;
                DropConnection();
            }
        }
    }

    private async ValueTask<AgentConnection> ConnectAsync(CancellationToken cancellationToken)
    {
        _connection = await AgentConnection.OpenAsync(SocketPath, cancellationToken).ConfigureAwait(false);
        foreach (byte[] binding in _bindings)
        {
            byte[] reply = await _connection.ExchangeAsync(binding, cancellationToken).ConfigureAwait(false);
            _bindingRefused |= reply[0] == AgentMessages.ExtensionFailure;
        }
        return _connection;
    }

    private void NoteBinding(ReadOnlyMemory<byte> message, byte answer)
    {
        if (answer == AgentMessages.Success)
            _bindings.Add(message.ToArray());
        _bindingRefused |= answer == AgentMessages.ExtensionFailure;
    }

    private void DropConnection()
    {
        _connection?.Dispose();
        _connection = null;
    }

    private void Expect(byte[] reply, byte type)
    {
        if (reply[0] == type)
            return;
        if (reply[0] is AgentMessages.Failure or AgentMessages.ExtensionFailure)
            throw Failed("agent refused operation", $"The agent at {SocketPath} refused; it may be locked, have lost the key, or its user said no.");
        throw Failed("communication with agent failed", $"The agent at {SocketPath} answered with message {reply[0]}, expected {type}.");
    }

    /// <summary>What an agent sends is no fault of the SSH peer: a malformed reply becomes this class's own error.</summary>
    private T Read<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (SshException e) when (e.Error == SshError.ProtocolError)
        {
            throw Failed("communication with agent failed", $"The agent at {SocketPath} sent a malformed reply: {e.Message}.", e);
        }
    }

    private static SshException Failed(string message, string hint, Exception? inner = null) =>
        new(SshError.AgentFailed, message, inner) { Hint = hint };

    private static string Reason(Exception e) => e is SocketException { SocketErrorCode: var code }
        ? code switch
        {
            SocketError.ConnectionRefused => "Connection refused",
            SocketError.AccessDenied => "Permission denied",
            SocketError.AddressNotAvailable => "No such file or directory",
            _ => e.Message,
        }
        : e.Message;
}
