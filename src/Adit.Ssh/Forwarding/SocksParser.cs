using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace Adit.Ssh.Forwarding;

/// <summary>What the bytes fed so far come to.</summary>
internal enum SocksProgress
{
    /// <summary>More bytes are needed; all that were given have been taken.</summary>
    Incomplete,
    /// <summary>A SOCKS5 client offered to go without authentication: send <see cref="SocksParser.Response"/>, then feed the rest.</summary>
    Greeted,
    /// <summary><see cref="SocksParser.Request"/> is there. Bytes that were not taken are payload.</summary>
    Requested,
    /// <summary>Nothing that is done here: send <see cref="SocksParser.Response"/> and close.</summary>
    Refused,
    /// <summary>Not SOCKS at all: close.</summary>
    NotSocks,
}

/// <summary>Reads a SOCKS client's side of the conversation up to its request: SOCKS4, SOCKS4A and SOCKS5 (RFC 1928), in pieces of any size. A state machine without
/// I/O; it holds one field, and what a client can make it read is bounded.</summary>
/// <remarks>
/// SOCKS4: <code>byte 4 | byte command | uint16 port | byte[4] address | user id | byte 0</code>
/// SOCKS4A, address 0.0.0.x: <code>… | byte 0 | host name | byte 0</code>
/// SOCKS5: <code>byte 5 | byte count | byte[count] methods</code> answered by <code>byte 5 | byte method</code> then
/// <code>byte 5 | byte command | byte 0 | byte address type | address | uint16 port</code>
/// where an address is 4 bytes (type 1), a length and a name (type 3), or 16 bytes (type 4).
/// </remarks>
internal sealed class SocksParser
{
    private const int Connect = 1;
    private const int MaxUserId = 1024;
    private const int MaxName = 255;
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly byte[] _field = new byte[MaxName + 2];
    private Step _step = Step.Version;
    private int _filled;
    private int _wanted = 1;
    private int _skipped;
    private int _version = 5;
    private int _port;
    private IPAddress? _address;

    private enum Step
    {
        Version,
        Request4,
        UserId,
        Name4,
        MethodCount,
        Methods,
        Request5,
        NameLength,
        Address4,
        Address16,
        Name5,
        Done,
    }

    /// <summary>What to send to the client, after <see cref="SocksProgress.Greeted"/> and <see cref="SocksProgress.Refused"/>.</summary>
    public byte[] Response { get; private set; } = [];

    /// <summary>After <see cref="SocksProgress.Requested"/>.</summary>
    public SocksRequest? Request { get; private set; }

    /// <summary>Takes bytes up to the next thing to do. Not to be called again once the request is known or refused.</summary>
    public SocksProgress Feed(ReadOnlySpan<byte> data, out int consumed)
    {
        if (_step == Step.Done)
            throw new InvalidOperationException("the request has been read");
        consumed = 0;
        while (true)
        {
            int count = Math.Min(_wanted - _filled, data.Length - consumed);
            data.Slice(consumed, count).CopyTo(_field.AsSpan(_filled));
            consumed += count;
            _filled += count;
            if (_filled < _wanted)
                return SocksProgress.Incomplete;
            var progress = Take(_field.AsSpan(0, _filled));
            if (progress is not (SocksProgress.Incomplete or SocksProgress.Greeted))
                _step = Step.Done;
            if (progress != SocksProgress.Incomplete)
                return progress;
        }
    }

    private SocksProgress Take(ReadOnlySpan<byte> field) => _step switch
    {
        Step.Version => TakeVersion(field[0]),
        Step.Request4 => TakeRequest4(field),
        Step.UserId => TakeUserId(field[0]),
        Step.Name4 => TakeName4(field),
        Step.MethodCount => field[0] == 0 ? NoMethod() : Next(Step.Methods, field[0]),
        Step.Methods => TakeMethods(field),
        Step.Request5 => TakeRequest5(field),
        Step.NameLength => field[0] == 0 ? Refuse(SocksReply.GeneralFailure) : Next(Step.Name5, field[0] + 2),
        Step.Name5 => TakeName(field[..^2], BinaryPrimitives.ReadUInt16BigEndian(field[^2..])),
        _ => Complete(new IPAddress(field[..^2]).ToString(), BinaryPrimitives.ReadUInt16BigEndian(field[^2..])),
    };

    private SocksProgress TakeVersion(byte version)
    {
        _version = version;
        return version switch
        {
            4 => Next(Step.Request4, 7),
            5 => Next(Step.MethodCount, 1),
            _ => SocksProgress.NotSocks,
        };
    }

    private SocksProgress TakeRequest4(ReadOnlySpan<byte> field)
    {
        if (field[0] != Connect)
            return Refuse(SocksReply.CommandNotSupported);
        _port = BinaryPrimitives.ReadUInt16BigEndian(field[1..]);
        // 0.0.0.x with x other than 0 says that a name follows.
        _address = field[3..6] is [0, 0, 0] && field[6] != 0 ? null : new IPAddress(field[3..7]);
        return Next(Step.UserId, 1);
    }

    /// <summary>Who the user claims to be means nothing here.</summary>
    private SocksProgress TakeUserId(byte value)
    {
        if (value != 0)
            return ++_skipped > MaxUserId ? Refuse(SocksReply.GeneralFailure) : Next(Step.UserId, 1);
        return _address is not null ? Complete(_address.ToString(), _port) : Next(Step.Name4, 1);
    }

    private SocksProgress TakeName4(ReadOnlySpan<byte> field)
    {
        if (field[^1] == 0)
            return TakeName(field[..^1], _port);
        if (field.Length > MaxName)
            return Refuse(SocksReply.GeneralFailure);
        _wanted++; // the name goes on
        return SocksProgress.Incomplete;
    }

    private SocksProgress TakeMethods(ReadOnlySpan<byte> methods)
    {
        if (!methods.Contains((byte)0))
            return NoMethod();
        Response = [5, 0];
        Next(Step.Request5, 4);
        return SocksProgress.Greeted;
    }

    private SocksProgress TakeRequest5(ReadOnlySpan<byte> field)
    {
        if (field[0] != 5)
            return SocksProgress.NotSocks;
        if (field[1] != Connect)
            return Refuse(SocksReply.CommandNotSupported);
        return field[3] switch
        {
            1 => Next(Step.Address4, 4 + 2),
            3 => Next(Step.NameLength, 1),
            4 => Next(Step.Address16, 16 + 2),
            _ => Refuse(SocksReply.AddressTypeNotSupported),
        };
    }

    private SocksProgress TakeName(ReadOnlySpan<byte> name, int port)
    {
        try
        {
            string host = StrictUtf8.GetString(name);
            return host.Length == 0 || host.Any(c => char.IsControl(c) || char.IsWhiteSpace(c)) ? Refuse(SocksReply.GeneralFailure) : Complete(host, port);
        }
        catch (DecoderFallbackException)
        {
            return Refuse(SocksReply.GeneralFailure);
        }
    }

    private SocksProgress Next(Step step, int wanted)
    {
        (_step, _wanted, _filled) = (step, wanted, 0);
        return SocksProgress.Incomplete;
    }

    private SocksProgress Complete(string host, int port)
    {
        Request = new SocksRequest(_version, ForwardAddress.Tcp(host, port));
        return SocksProgress.Requested;
    }

    private SocksProgress Refuse(SocksReply reply)
    {
        Response = SocksRequest.Answer(_version, reply);
        return SocksProgress.Refused;
    }

    private SocksProgress NoMethod()
    {
        Response = [5, 0xff];
        return SocksProgress.Refused;
    }
}
