namespace Adit.Ssh.Cryptography;

/// <summary>Protects outgoing packets in place: one instance per key, used by one thread at a time. A nonce counter, where the cipher has one, lives inside.
/// <code>
/// frame:  uint32 packet_length | byte padding_length | payload | padding | tag (TagLength bytes)
/// packet_length = 1 + payload + padding
/// </code></summary>
public abstract class PacketSealer : IDisposable
{
    /// <summary>What the padded part is a multiple of; at least 8.</summary>
    public abstract int BlockSize { get; }

    /// <summary>Bytes of MAC or AEAD tag behind the packet.</summary>
    public abstract int TagLength { get; }

    /// <summary>True when packet_length itself is outside of what is padded to BlockSize (AEAD and encrypt-then-MAC modes).</summary>
    public abstract bool LengthIsOutside { get; }

    /// <summary>Encrypts <paramref name="frame"/> in place and writes its last <see cref="TagLength"/> bytes.
    /// On entry the frame holds packet_length, padding_length, payload and padding in clear.</summary>
    public abstract void Seal(uint sequenceNumber, Span<byte> frame);

    public abstract void Dispose();
}

/// <summary>Opens incoming packets in place; the counterpart of <see cref="PacketSealer"/>.</summary>
public abstract class PacketOpener : IDisposable
{
    /// <summary>What the padded part is a multiple of; at least 8.</summary>
    public abstract int BlockSize { get; }

    /// <summary>Bytes of MAC or AEAD tag behind the packet.</summary>
    public abstract int TagLength { get; }

    /// <summary>True when packet_length itself is outside of what is padded to BlockSize (AEAD and encrypt-then-MAC modes).</summary>
    public abstract bool LengthIsOutside { get; }

    /// <summary>Bytes that must have arrived before <see cref="OpenLength"/> can tell the packet's length: 4, or one block where the length is encrypted with the rest.</summary>
    public abstract int HeaderLength { get; }

    /// <summary>Reads packet_length from the first <see cref="HeaderLength"/> bytes. Called exactly once per packet; may decrypt them in place and
    /// keep state for the <see cref="Open"/> that follows. The value is not trustworthy yet: the caller bounds it.</summary>
    public abstract uint OpenLength(uint sequenceNumber, Span<byte> header);

    /// <summary>Verifies and decrypts in place. <paramref name="frame"/> is uint32 packet_length, the packet_length bytes, and the tag. On success
    /// frame[4..] holds padding_length, payload and padding in clear. False when the integrity check fails; the frame's content is then undefined.</summary>
    public abstract bool Open(uint sequenceNumber, Span<byte> frame);

    public abstract void Dispose();
}

/// <summary>One side's run of a key exchange method. Values are the contents of the string or mpint that carries them on the wire
/// (an mpint's leading zero byte included).</summary>
public abstract class KeyAgreement : IDisposable
{
    /// <summary>Client: makes the key pair and returns the value for SSH_MSG_KEX*_INIT.</summary>
    public abstract byte[] CreateInit();

    /// <summary>Server: takes the client's value, returns the value for SSH_MSG_KEX*_REPLY. <paramref name="secret"/> is K as it enters the
    /// exchange hash and the key derivation: already encoded, as mpint or (hybrid methods) as string.
    /// Throws <see cref="SshException"/> (<see cref="SshError.KeyExchangeFailed"/>) for a public value out of range or a zero secret.</summary>
    public abstract byte[] Respond(ReadOnlySpan<byte> init, out byte[] secret);

    /// <summary>Client: takes the server's value and returns K, encoded as in <see cref="Respond"/>. Throws as it does.</summary>
    public abstract byte[] Finish(ReadOnlySpan<byte> reply);

    public abstract void Dispose();
}
