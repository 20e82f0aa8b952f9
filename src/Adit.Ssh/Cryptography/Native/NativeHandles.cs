using System.Runtime.InteropServices;

namespace Adit.Ssh.Cryptography.Native;

/// <summary>A libcrypto object that is freed exactly once, and never while a <see cref="NativeLease"/> on it is open.</summary>
internal abstract class NativeHandle : SafeHandle
{
    protected NativeHandle(nint value)
        : base(0, ownsHandle: true) => SetHandle(LibCrypto.Check(value));

    public override bool IsInvalid => handle == 0;

    /// <summary>Keeps the object alive until the lease is disposed, also against a Dispose on another thread. Throws <see cref="ObjectDisposedException"/>.</summary>
    public NativeLease Lease() => new(this);
}

/// <summary>Use of a <see cref="NativeHandle"/> for the length of a few calls.</summary>
internal readonly ref struct NativeLease
{
    private readonly NativeHandle _owner;

    public NativeLease(NativeHandle owner)
    {
        bool added = false;
        owner.DangerousAddRef(ref added);
        _owner = owner;
        Pointer = owner.DangerousGetHandle();
    }

    public nint Pointer { get; }

    public void Dispose() => _owner.DangerousRelease();
}

/// <summary>EVP_CIPHER_CTX</summary>
internal sealed class CipherContextHandle() : NativeHandle(LibCrypto.EVP_CIPHER_CTX_new())
{
    protected override bool ReleaseHandle()
    {
        LibCrypto.EVP_CIPHER_CTX_free(handle);
        return true;
    }
}

/// <summary>EVP_MAC_CTX</summary>
internal sealed class MacContextHandle(nint mac) : NativeHandle(LibCrypto.EVP_MAC_CTX_new(mac))
{
    protected override bool ReleaseHandle()
    {
        LibCrypto.EVP_MAC_CTX_free(handle);
        return true;
    }
}

/// <summary>EVP_PKEY</summary>
internal sealed class KeyHandle(nint key) : NativeHandle(key)
{
    protected override bool ReleaseHandle()
    {
        LibCrypto.EVP_PKEY_free(handle);
        return true;
    }
}

/// <summary>EVP_PKEY_CTX</summary>
internal sealed class KeyContextHandle(nint context) : NativeHandle(context)
{
    protected override bool ReleaseHandle()
    {
        LibCrypto.EVP_PKEY_CTX_free(handle);
        return true;
    }
}

/// <summary>EVP_MD_CTX</summary>
internal sealed class DigestContextHandle() : NativeHandle(LibCrypto.EVP_MD_CTX_new())
{
    protected override bool ReleaseHandle()
    {
        LibCrypto.EVP_MD_CTX_free(handle);
        return true;
    }
}

/// <summary>BIGNUM; cleared when freed.</summary>
internal sealed class NumberHandle(nint number) : NativeHandle(number)
{
    protected override bool ReleaseHandle()
    {
        LibCrypto.BN_clear_free(handle);
        return true;
    }
}

/// <summary>BN_CTX; what was calculated in it is cleared when freed.</summary>
internal sealed class NumberContextHandle() : NativeHandle(LibCrypto.BN_CTX_new())
{
    protected override bool ReleaseHandle()
    {
        LibCrypto.BN_CTX_free(handle);
        return true;
    }
}
