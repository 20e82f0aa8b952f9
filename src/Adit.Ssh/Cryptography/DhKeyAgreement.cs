using System.Numerics;
using System.Security.Cryptography;
using Adit.Ssh.Cryptography.Native;

namespace Adit.Ssh.Cryptography;

/// <summary>Diffie-Hellman modulo a prime (RFC 4253, section 8; RFC 4419). e, f and K are mpints.</summary>
internal sealed unsafe class DhKeyAgreement : KeyAgreement
{
    // Twice the 256 bits that the strongest cipher has, so that no attack on the exponent is the shortest way in.
    private const int ExponentSize = 512 / 8;

    private readonly DhGroup _group;
    private readonly byte[] _exponent = new byte[ExponentSize];
    private bool _spent;

    public DhKeyAgreement(DhGroup group)
    {
        _group = group;
        RandomNumberGenerator.Fill(_exponent);
        _exponent[0] |= 0x80; // always 512 bits long
    }

    public override byte[] CreateInit() => PublicValue();

    public override byte[] Respond(ReadOnlySpan<byte> init, out byte[] secret)
    {
        var peer = ReadPublicValue(init);
        byte[] value = PublicValue();
        secret = SharedSecret(peer);
        return value;
    }

    public override byte[] Finish(ReadOnlySpan<byte> reply) => SharedSecret(ReadPublicValue(reply));

    public override void Dispose()
    {
        _spent = true;
        CryptographicOperations.ZeroMemory(_exponent);
    }

    private byte[] PublicValue() => KeyAgreementSecret.MpintContent(Power(_group.Generator));

    private byte[] SharedSecret(ReadOnlySpan<byte> peer)
    {
        byte[] shared = Power(peer);
        try
        {
            if (DhGroup.BitLength(shared) < 2)
                throw KeyAgreementError.Refused("DH shared secret is out of range");
            return KeyAgreementSecret.AsMpint(shared);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(shared);
            Dispose();
        }
    }

    private ReadOnlySpan<byte> ReadPublicValue(ReadOnlySpan<byte> mpint)
    {
        if (mpint.IsEmpty || (mpint[0] & 0x80) != 0 || (mpint[0] == 0 && (mpint.Length == 1 || (mpint[1] & 0x80) == 0)))
            throw KeyAgreementError.Refused("invalid public DH value: not a positive mpint");
        var value = mpint.TrimStart((byte)0);
        if (!_group.IsInRange(value))
            throw KeyAgreementError.Refused("invalid public DH value: not between 1 and p-1");
        // With g = 2 a value of very few bits gives its exponent away.
        int bitsSet = 0;
        foreach (byte b in value)
            bitsSet += BitOperations.PopCount(b);
        if (bitsSet < 4)
            throw KeyAgreementError.Refused($"invalid public DH value: {bitsSet} bits set");
        return value;
    }

    /// <summary>value ^ exponent mod p, in as many bytes as p has.</summary>
    private byte[] Power(ReadOnlySpan<byte> value)
    {
        ObjectDisposedException.ThrowIf(_spent, this);
        using var context = new NumberContextHandle();
        using var modulus = Import(_group.Prime);
        using var number = Import(value);
        using var exponent = Import(_exponent);
        using var result = new NumberHandle(LibCrypto.BN_new());
        using var contextLease = context.Lease();
        using var modulusLease = modulus.Lease();
        using var numberLease = number.Lease();
        using var exponentLease = exponent.Lease();
        using var resultLease = result.Lease();
        LibCrypto.Check(LibCrypto.BN_mod_exp_mont_consttime(
            resultLease.Pointer, numberLease.Pointer, exponentLease.Pointer, modulusLease.Pointer, contextLease.Pointer, 0));
        var output = new byte[_group.Prime.Length];
        fixed (byte* bytes = output)
        {
            if (LibCrypto.BN_bn2binpad(resultLease.Pointer, bytes, output.Length) != output.Length)
                throw LibCrypto.Failure();
        }
        return output;
    }

    private static NumberHandle Import(ReadOnlySpan<byte> unsignedBigEndian)
    {
        fixed (byte* bytes = unsignedBigEndian)
            return new NumberHandle(LibCrypto.BN_bin2bn(bytes, unsignedBigEndian.Length, 0));
    }
}
