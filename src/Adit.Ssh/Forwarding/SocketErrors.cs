using System.Net.Sockets;

namespace Adit.Ssh.Forwarding;

/// <summary>The C library's words for socket errors: scripts match them, and .NET's own differ.</summary>
internal static class SocketErrors
{
    public static string Describe(SocketException e) => Describe(e.SocketErrorCode) ?? e.Message;

    /// <summary>strerror's or gai_strerror's text; null for errors without one here.</summary>
    public static string? Describe(SocketError error) => error switch
    {
        SocketError.AccessDenied => "Permission denied",
        SocketError.AddressAlreadyInUse => "Address already in use",
        SocketError.AddressNotAvailable => "Cannot assign requested address",
        SocketError.AddressFamilyNotSupported => "Address family not supported by protocol",
        SocketError.ConnectionRefused => "Connection refused",
        SocketError.ConnectionReset => "Connection reset by peer",
        SocketError.ConnectionAborted => "Software caused connection abort",
        SocketError.HostNotFound => "Name or service not known",
        SocketError.TryAgain => "Temporary failure in name resolution",
        SocketError.NoRecovery => "Non-recoverable failure in name resolution",
        SocketError.NoData => "No address associated with hostname",
        SocketError.HostUnreachable => "No route to host",
        SocketError.HostDown => "Host is down",
        SocketError.NetworkUnreachable => "Network is unreachable",
        SocketError.NetworkDown => "Network is down",
        SocketError.TimedOut => "Connection timed out",
        SocketError.TooManyOpenSockets => "Too many open files",
        SocketError.NoBufferSpaceAvailable => "No buffer space available",
        SocketError.InvalidArgument => "Invalid argument",
        SocketError.Shutdown => "Broken pipe",
        _ => null,
    };
}
