using System.Globalization;
using System.Text;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Adit.Ssh.Transport;

/// <summary>Reads the peer's identification string (RFC 4253, section 4.2) from bytes as they arrive: one at a time or with the first packets glued behind.
/// <code>
/// client: up to 1024 lines of anything, then   SSH-2.0-softwareversion [SP comments] CR LF
/// </code>
/// A server lets nothing come before it. As OpenSSH does, a bare LF ends a line, and SSH-1.99 means 2.0.</summary>
internal sealed class VersionExchange
{
    /// <summary>Lines a client reads before the identification string.</summary>
    public const int MaxPreBannerLines = 1024;

    /// <summary>Bytes in one line, the identification string's included.</summary>
    public const int MaxLineLength = 8192;

    /// <summary>Bytes in the line we send, CR LF included.</summary>
    public const int MaxLocalLength = 255;

    /// <summary>OpenSSH's peers speak some extensions to names that begin with OpenSSH alone, without asking: docs/adr/0010. No version of OpenSSH's is claimed.</summary>
    private const string Product = $"SSH-2.0-{PeerQuirks.OurName}0.1";

    private readonly SshRole _role;
    private readonly ILogger _logger;
    private readonly List<byte> _line = new(64);
    private bool _expectLineFeed;
    private int _lines;

    public VersionExchange(SshRole role, ILogger? logger = null) => (_role, _logger) = (role, logger ?? NullLogger.Instance);

    /// <summary>True when the peer's identification string is complete.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>The peer's identification string without CR LF, bytes that could steer a terminal escaped: fit for logs and comparisons.</summary>
    public string RemoteVersion { get; private set; } = "";

    /// <summary>The same as received: the exchange hash covers these bytes.</summary>
    public ReadOnlyMemory<byte> RemoteVersionBytes { get; private set; }

    /// <summary>What the version string tells about the peer.</summary>
    public PeerQuirks Quirks { get; private set; } = PeerQuirks.None;

    /// <summary>After <see cref="Read"/> threw: the line to send before closing; empty where nothing is to be sent.</summary>
    public ReadOnlyMemory<byte> Rejection { get; private set; }

    /// <summary>Our identification string without CR LF, as the exchange hash covers it.</summary>
    /// <param name="addendum">VersionAddendum: printable US-ASCII, or null. Throws <see cref="SshException"/> (<see cref="SshError.Configuration"/>)
    /// when it does not fit or holds other characters.</param>
    public static byte[] BuildLocal(string? addendum = null)
    {
        string version = string.IsNullOrEmpty(addendum) ? Product : $"{Product} {addendum}";
        if (version.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            throw new SshException(SshError.Configuration, "VersionAddendum holds characters outside printable US-ASCII");
        if (version.Length + 2 > MaxLocalLength)
        {
            throw new SshException(SshError.Configuration,
                $"VersionAddendum is too long: at most {MaxLocalLength - 2 - Product.Length - 1} characters fit");
        }
        return Encoding.ASCII.GetBytes(version);
    }

    /// <summary>Takes what was received. Returns the number of bytes used; when <see cref="IsComplete"/> is true the rest belongs to the packet layer.
    /// Throws <see cref="SshException"/> when the peer does not speak SSH 2.0; see <see cref="Rejection"/>.</summary>
    public int Read(ReadOnlySpan<byte> received)
    {
        int used = 0;
        while (used < received.Length && !IsComplete)
            TakeByte(received[used++]);
        return used;
    }

    private void TakeByte(byte value)
    {
        if (value == '\n')
        {
            EndLine();
            return;
        }
        if (value == 0 || _expectLineFeed)
            throw Invalid("kex_exchange_identification: identification line holds a NUL or a stray carriage return");
        if (value == '\r')
        {
            _expectLineFeed = true;
            return;
        }
        if (_line.Count == MaxLineLength)
            throw Invalid("kex_exchange_identification: banner line too long");
        _line.Add(value);
    }

    private void EndLine()
    {
        byte[] line = [.. _line];
        _line.Clear();
        _expectLineFeed = false;
        if (line.AsSpan().StartsWith("SSH-"u8))
        {
            ParseIdentification(line);
            return;
        }
        if (_role == SshRole.Server)
            throw Invalid($"kex_exchange_identification: client sent invalid protocol identifier \"{Escape(line, 256)}\"");
        _logger.LogDebug("kex_exchange_identification: banner line {Number}: {Line}", _lines, Escape(line, 256));
        if (++_lines == MaxPreBannerLines)
        {
            throw Reject(
                $"kex_exchange_identification: No SSH version received in first {MaxPreBannerLines} lines from server",
                "No SSH identification string received.");
        }
    }

    private void ParseIdentification(byte[] line)
    {
        foreach (byte value in line)
        {
            if (value is < 0x20 or 0x7f)
                throw Invalid($"Remote version invalid: \"{Escape(line, 256)}\"");
        }
        // SSH-<major>.<minor>-<software>[ comments]
        string text = Encoding.Latin1.GetString(line);
        int dash = text.IndexOf('-', 4);
        int dot = dash < 0 ? -1 : text.IndexOf('.', 4, dash - 4);
        if (dot < 0 || dash == text.Length - 1
            || !TryParseNumber(text.AsSpan(4, dot - 4), out int major) || !TryParseNumber(text.AsSpan(dot + 1, dash - dot - 1), out int minor))
            throw Invalid($"Remote version invalid: \"{Escape(line, 256)}\"");
        if (major != 2 && (major, minor) != (1, 99))
            throw Reject($"Protocol major versions differ: 2 vs. {major}", "Protocol major versions differ.");

        RemoteVersionBytes = line;
        RemoteVersion = Escape(line, MaxLineLength);
        Quirks = PeerQuirks.From(RemoteVersion[(dash + 1)..]);
        IsComplete = true;
        _logger.LogDebug("Remote protocol version {Major}.{Minor}, remote software version {Software}", major, minor, Escape(line.AsSpan(dash + 1), 100));
    }

    private static bool TryParseNumber(ReadOnlySpan<char> text, out int value)
    {
        value = 0;
        return text.Length is > 0 and <= 4 && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
    }

    private SshException Invalid(string message) => Reject(message, "Invalid SSH identification string.");

    private SshException Reject(string message, string answer)
    {
        Rejection = Encoding.ASCII.GetBytes(answer + "\r\n");
        return new SshException(SshError.VersionMismatch, message)
        {
            DisconnectReason = DisconnectReason.ProtocolVersionNotSupported,
            Hint = _role == SshRole.Client
                ? "What answered at that address does not speak SSH 2.0: is the port right?"
                : "What connected here does not speak SSH 2.0: a scanner, or a client of another protocol.",
        };
    }

    private static string Escape(ReadOnlySpan<byte> bytes, int maxLength) => PeerText.Escape(Encoding.UTF8.GetString(bytes), maxLength);
}
