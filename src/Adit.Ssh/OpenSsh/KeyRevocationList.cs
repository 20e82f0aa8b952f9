using System.Security.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.OpenSsh;

/// <summary>A key revocation list (OpenSSH's PROTOCOL.krl). Signatures on it are not looked at: who may write the file may revoke.</summary>
internal sealed class KeyRevocationList
{
    private const uint FormatVersion = 1;

    private readonly HashSet<string> _blobs = [], _sha1 = [], _sha256 = [];
    private readonly List<CertificateRevocations> _certificates = [];

    private static ReadOnlySpan<byte> Magic => "SSHKRL\n\0"u8;

    public static bool HasMagic(ReadOnlySpan<byte> content) => content.StartsWith(Magic);

    /// <summary>Throws <see cref="SshException"/> (<see cref="SshError.InvalidKey"/>) for anything malformed, and for what is critical and not known here.</summary>
    public static KeyRevocationList Parse(ReadOnlySpan<byte> content)
    {
        var list = new KeyRevocationList();
        try
        {
            list.Read(content);
            return list;
        }
        catch (SshException e) when (e.Error == SshError.ProtocolError)
        {
            throw new SshException(SshError.InvalidKey, "invalid key revocation list: " + e.Message, e);
        }
    }

    public bool Contains(PublicKey key)
    {
        if (ContainsPlain(key.PlainKey))
            return true;
        return key is Certificate certificate
            && (ContainsPlain(certificate.AuthorityKey) || _certificates.Any(revocations => revocations.Covers(certificate)));
    }

    private bool ContainsPlain(PublicKey key) =>
        _blobs.Contains(Convert.ToBase64String(key.Blob.Span))
        || (_sha1.Count > 0 && _sha1.Contains(Convert.ToBase64String(SHA1.HashData(key.Blob.Span))))
        || (_sha256.Count > 0 && _sha256.Contains(Convert.ToBase64String(SHA256.HashData(key.Blob.Span))));

    // byte[8] magic | uint32 format | uint64 version | uint64 date | uint64 flags | string reserved | string comment
    // then sections: byte type | string content
    private void Read(ReadOnlySpan<byte> content)
    {
        var reader = new SshReader(content[Magic.Length..]);
        if (reader.ReadUInt32() is var format && format != FormatVersion)
            throw SshException.Protocol($"format {format} is not known");
        reader.ReadUInt64();
        reader.ReadUInt64();
        reader.ReadUInt64();
        reader.ReadString();
        reader.ReadString();
        while (!reader.AtEnd)
        {
            byte type = reader.ReadByte();
            var section = new SshReader(reader.ReadString());
            switch (type)
            {
                case 1:
                    _certificates.Add(CertificateRevocations.Read(ref section));
                    break;
                case 2:
                    ReadStrings(ref section, _blobs, length: null);
                    break;
                case 3:
                    ReadStrings(ref section, _sha1, SHA1.HashSizeInBytes);
                    break;
                case 4:
                    reader.ReadString(); // the section was the signer's key; this is its signature
                    break;
                case 5:
                    ReadStrings(ref section, _sha256, SHA256.HashSizeInBytes);
                    break;
                case 255:
                    SkipExtension(ref section);
                    break;
                default:
                    throw SshException.Protocol($"section type {type} is not known");
            }
        }
    }

    private static void ReadStrings(ref SshReader section, HashSet<string> into, int? length)
    {
        while (!section.AtEnd)
        {
            var value = section.ReadString();
            if (length is not null && value.Length != length)
                throw SshException.Protocol("a fingerprint has the wrong length");
            into.Add(Convert.ToBase64String(value));
        }
    }

    // string name | boolean critical | string content
    private static void SkipExtension(ref SshReader section)
    {
        string name = section.ReadText(256);
        bool isCritical = section.ReadBoolean();
        section.ReadString();
        if (isCritical)
            throw SshException.Protocol($"critical extension {PeerText.Escape(name, 100)} is not known");
    }

    /// <summary>Certificates of one authority, or of any.</summary>
    private sealed class CertificateRevocations
    {
        private readonly HashSet<string> _keyIds = [];
        private readonly List<(ulong First, ulong Last)> _ranges = [];
        private readonly HashSet<ulong> _serials = [];
        private readonly List<(ulong Offset, byte[] Bits)> _bitmaps = [];

        /// <summary>Wire form of the authority's key; empty for any.</summary>
        private byte[] _authority = [];

        // string authority's key | string reserved | subsections: byte type | string content
        public static CertificateRevocations Read(ref SshReader section)
        {
            var result = new CertificateRevocations { _authority = section.ReadString().ToArray() };
            section.ReadString();
            while (!section.AtEnd)
            {
                byte type = section.ReadByte();
                var content = new SshReader(section.ReadString());
                result.ReadSubsection(type, ref content);
            }
            return result;
        }

        public bool Covers(Certificate certificate)
        {
            if (_authority.Length > 0 && !certificate.AuthorityKey.Blob.Span.SequenceEqual(_authority))
                return false;
            if (_keyIds.Contains(certificate.KeyId))
                return true;
            // A certificate without a number has 0 there.
            ulong serial = certificate.Serial;
            return serial != 0 && (_serials.Contains(serial) || _ranges.Exists(range => serial >= range.First && serial <= range.Last)
                || _bitmaps.Exists(bitmap => IsSet(bitmap.Bits, serial, bitmap.Offset)));
        }

        private void ReadSubsection(byte type, ref SshReader content)
        {
            switch (type)
            {
                case 0x20:
                    while (!content.AtEnd)
                        _serials.Add(content.ReadUInt64());
                    break;
                case 0x21:
                    var (first, last) = (content.ReadUInt64(), content.ReadUInt64());
                    if (first > last)
                        throw SshException.Protocol("a range of serial numbers runs backwards");
                    _ranges.Add((first, last));
                    break;
                case 0x22:
                    _bitmaps.Add((content.ReadUInt64(), content.ReadMpint(maxBytes: content.Remaining).ToArray()));
                    break;
                case 0x23:
                    while (!content.AtEnd)
                        _keyIds.Add(content.ReadText());
                    break;
                case 0x39:
                    SkipExtension(ref content);
                    break;
                default:
                    throw SshException.Protocol($"certificate section type {type} is not known");
            }
            content.EnsureEnd();
        }

        /// <summary>Bit <paramref name="serial"/> − <paramref name="offset"/> of a big-endian number.</summary>
        private static bool IsSet(byte[] bits, ulong serial, ulong offset)
        {
            if (serial < offset || serial - offset >= (ulong)bits.Length * 8)
                return false;
            int bit = (int)(serial - offset);
            return (bits[^((bit / 8) + 1)] & (1 << (bit % 8))) != 0;
        }
    }
}
