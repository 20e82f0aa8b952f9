using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Adit.Ssh.Forwarding;

/// <summary>What the first bytes of an X11 connection come to.</summary>
internal enum X11Progress
{
    /// <summary>More bytes are needed; all that were given have been taken.</summary>
    Incomplete,
    /// <summary>The cookie was the one that was handed out: <see cref="X11Setup.Setup"/> is to be sent in its place. Bytes that were not taken follow it unchanged.</summary>
    Accepted,
    /// <summary>Not the protocol or not the cookie: close.</summary>
    Rejected,
}

/// <summary>Reads an X11 client's connection setup in pieces of any size, and puts the display's own cookie where the one that was handed out to the server stands. A state
/// machine without I/O. Both lengths in the setup must be those that were handed out, so what it holds is bounded before anything is kept.</summary>
/// <remarks>
/// <code>byte 'B' or 'l' | byte | uint16 major | uint16 minor | uint16 name length | uint16 data length | uint16 | name, padded to 4 | data, padded to 4</code>
/// 'B': the most significant byte comes first, 'l': the least (X Window System Protocol, section 8).
/// </remarks>
internal sealed class X11Setup
{
    private const int HeaderSize = 12;
    private readonly byte[] _name;
    private readonly byte[] _handedOut;
    private readonly byte[] _real;
    private readonly byte[] _setup;
    private int _filled;
    private X11Progress _progress = X11Progress.Incomplete;

    /// <summary>For one connection.</summary>
    /// <param name="name">The authorization protocol's name, as it was requested.</param>
    /// <param name="handedOut">The cookie the server was given.</param>
    /// <param name="real">The display's cookie, as long as the other.</param>
    /// <exception cref="ArgumentException">The cookies differ in length.</exception>
    public X11Setup(ReadOnlySpan<byte> name, ReadOnlySpan<byte> handedOut, ReadOnlySpan<byte> real)
    {
        if (handedOut.Length != real.Length)
            throw new ArgumentException("Both cookies must have the same length.", nameof(real));
        _name = name.ToArray();
        _handedOut = handedOut.ToArray();
        _real = real.ToArray();
        _setup = new byte[HeaderSize + Padded(name.Length) + Padded(real.Length)];
    }

    /// <summary>The setup with the display's cookie, once the connection is accepted.</summary>
    public ReadOnlyMemory<byte> Setup => _progress == X11Progress.Accepted ? _setup : default;

    /// <summary>Takes the next bytes of the connection.</summary>
    /// <param name="bytes">What came.</param>
    /// <param name="taken">How many of them belong to the setup.</param>
    public X11Progress Feed(ReadOnlySpan<byte> bytes, out int taken)
    {
        taken = 0;
        while (_progress == X11Progress.Incomplete && taken < bytes.Length)
        {
            int end = _filled < HeaderSize ? HeaderSize : _setup.Length;
            int count = Math.Min(end - _filled, bytes.Length - taken);
            bytes.Slice(taken, count).CopyTo(_setup.AsSpan(_filled));
            taken += count;
            _filled += count;
            if (_filled == HeaderSize && !HeaderFits())
                _progress = X11Progress.Rejected;
            else if (_filled == _setup.Length)
                Decide();
        }
        return _progress;
    }

    private static int Padded(int length) => (length + 3) & ~3;

    private bool HeaderFits()
    {
        ReadOnlySpan<byte> lengths = _setup.AsSpan(6, 4);
        return _setup[0] switch
        {
            (byte)'B' => BinaryPrimitives.ReadUInt16BigEndian(lengths) == _name.Length && BinaryPrimitives.ReadUInt16BigEndian(lengths[2..]) == _real.Length,
            (byte)'l' => BinaryPrimitives.ReadUInt16LittleEndian(lengths) == _name.Length && BinaryPrimitives.ReadUInt16LittleEndian(lengths[2..]) == _real.Length,
            _ => false,
        };
    }

    private void Decide()
    {
        Span<byte> cookie = _setup.AsSpan(HeaderSize + Padded(_name.Length), _real.Length);
        bool named = _setup.AsSpan(HeaderSize, _name.Length).SequenceEqual(_name);
        // In constant time: how much of a guess was right must not show.
        bool known = CryptographicOperations.FixedTimeEquals(cookie, _handedOut);
        if (!named || !known)
        {
            _progress = X11Progress.Rejected;
            return;
        }
        _real.CopyTo(cookie);
        _progress = X11Progress.Accepted;
    }
}
