namespace Adit.Ssh;

/// <summary>What went wrong, in terms a program can act on. The text for people is in <see cref="Exception.Message"/>.</summary>
public enum SshError
{
    /// <summary>No more precise reason is known.</summary>
    Unknown,
    /// <summary>The host name did not resolve.</summary>
    NameResolution,
    /// <summary>The TCP connection (or the proxy in its place) could not be made.</summary>
    ConnectFailed,
    /// <summary>A deadline passed: connecting, version exchange, key exchange or login.</summary>
    Timeout,
    /// <summary>The peer answered no keepalive in the time allowed.</summary>
    KeepAliveTimeout,
    /// <summary>The connection ended without an SSH_MSG_DISCONNECT.</summary>
    ConnectionLost,
    /// <summary>The peer sent SSH_MSG_DISCONNECT; its code is in <see cref="SshException.DisconnectReason"/>.</summary>
    Disconnected,
    /// <summary>The peer's identification string is not SSH 2.0.</summary>
    VersionMismatch,
    /// <summary>The two sides share no algorithm of some kind.</summary>
    NoCommonAlgorithm,
    /// <summary>The peer broke the protocol: a malformed, illegal or oversized message.</summary>
    ProtocolError,
    /// <summary>A packet failed its integrity check.</summary>
    IntegrityError,
    /// <summary>The key exchange failed (bad signature, bad public value).</summary>
    KeyExchangeFailed,
    /// <summary>The host key is not known and may not be added.</summary>
    HostKeyUnknown,
    /// <summary>The host key differs from the known one.</summary>
    HostKeyChanged,
    /// <summary>The host key is revoked.</summary>
    HostKeyRevoked,
    /// <summary>The server accepted none of the credentials.</summary>
    AuthenticationFailed,
    /// <summary>The peer refused to open a channel; see <see cref="SshException.OpenFailureReason"/>.</summary>
    ChannelOpenFailed,
    /// <summary>The channel was closed by the peer.</summary>
    ChannelClosed,
    /// <summary>A listener could not be bound, here or at the peer.</summary>
    ForwardFailed,
    /// <summary>The policy forbids it.</summary>
    PolicyDenied,
    /// <summary>A limit (packets, bytes, channels, sessions) was reached.</summary>
    ResourceLimit,
    /// <summary>A key, certificate or signature is malformed or unsupported.</summary>
    InvalidKey,
    /// <summary>A key file needs a passphrase, or the one given is wrong.</summary>
    WrongPassphrase,
    /// <summary>A file could not be read or written, or its owner or mode is not acceptable.</summary>
    FileAccess,
    /// <summary>A configuration file or option is wrong.</summary>
    Configuration,
    /// <summary>A native library is missing or too old.</summary>
    LibraryMissing,
    /// <summary>The local side closed the connection or the object.</summary>
    Closed,
    /// <summary>The authentication agent could not be reached, broke off, or refused.</summary>
    AgentFailed,
}

/// <summary>SSH_MSG_DISCONNECT reason codes (RFC 4253, section 11.1).</summary>
public enum DisconnectReason
{
    None = 0,
    HostNotAllowedToConnect = 1,
    ProtocolError = 2,
    KeyExchangeFailed = 3,
    Reserved = 4,
    MacError = 5,
    CompressionError = 6,
    ServiceNotAvailable = 7,
    ProtocolVersionNotSupported = 8,
    HostKeyNotVerifiable = 9,
    ConnectionLost = 10,
    ByApplication = 11,
    TooManyConnections = 12,
    AuthCancelledByUser = 13,
    NoMoreAuthMethodsAvailable = 14,
    IllegalUserName = 15,
}

/// <summary>SSH_MSG_CHANNEL_OPEN_FAILURE reason codes (RFC 4254, section 5.1).</summary>
public enum OpenFailureReason
{
    None = 0,
    AdministrativelyProhibited = 1,
    ConnectFailed = 2,
    UnknownChannelType = 3,
    ResourceShortage = 4,
}

/// <summary>Every failure that leaves this library. <see cref="Exception.Message"/> is the first line, worded as OpenSSH words it where
/// OpenSSH has such a line; <see cref="Hint"/> says what to do about it.</summary>
public sealed class SshException : IOException
{
    public SshException(SshError error, string message, Exception? inner = null)
        : base(message, inner) => Error = error;

    /// <summary>What went wrong.</summary>
    public SshError Error { get; }

    /// <summary>One or more lines for a person: which side, which address, which rule, and the likely fix. May be null.</summary>
    public string? Hint { get; init; }

    /// <summary>The code in the peer's SSH_MSG_DISCONNECT, or the one we sent; <see cref="DisconnectReason.None"/> where there was none.</summary>
    public DisconnectReason DisconnectReason { get; init; }

    /// <summary>The code in the peer's SSH_MSG_CHANNEL_OPEN_FAILURE; <see cref="OpenFailureReason.None"/> where there was none.</summary>
    public OpenFailureReason OpenFailureReason { get; init; }

    /// <summary>The exception for a message that breaks the protocol. It becomes an SSH_MSG_DISCONNECT with code 2.</summary>
    internal static SshException Protocol(string message) =>
        new(SshError.ProtocolError, message) { DisconnectReason = DisconnectReason.ProtocolError };
}
