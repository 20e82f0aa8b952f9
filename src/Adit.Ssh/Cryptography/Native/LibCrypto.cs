using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

// Blittable signatures only: the P/Invokes can then be compiled ahead of time, without stubs made at run time.
[assembly: DisableRuntimeMarshalling]

namespace Adit.Ssh.Cryptography.Native;

/// <summary>OpenSSL's libcrypto, 3.0 or later: the one place that calls into it. Functions keep OpenSSL's names and return values
/// (mostly 1 for success); <see cref="Check(int)"/> turns the rest into exceptions.</summary>
internal static unsafe partial class LibCrypto
{
    private const string Library = "libcrypto";

    /// <summary>EVP_CTRL_AEAD_GET_TAG</summary>
    public const int ControlGetTag = 0x10;
    /// <summary>EVP_CTRL_AEAD_SET_TAG</summary>
    public const int ControlSetTag = 0x11;
    /// <summary>EVP_PKEY_X25519 (NID_X25519)</summary>
    public const int KeyTypeX25519 = 1034;
    /// <summary>EVP_PKEY_ED25519 (NID_ED25519)</summary>
    public const int KeyTypeEd25519 = 1087;

    private const nuint OldestVersion = 0x30000000;

    // Asked for once per function that is called; looking through the folders takes longer than most of those calls.
    private static nint _loaded;

    static LibCrypto() => NativeLibrary.SetDllImportResolver(typeof(LibCrypto).Assembly, Resolve);

    /// <summary>Throws unless <paramref name="result"/> is 1.</summary>
    public static void Check(int result)
    {
        if (result != 1)
            throw Failure();
    }

    /// <summary>Throws when <paramref name="pointer"/> is null; returns it otherwise.</summary>
    public static nint Check(nint pointer) => pointer != 0 ? pointer : throw Failure();

    /// <summary>The exception for a call that failed, with OpenSSL's own words. Empties this thread's error queue.</summary>
    public static CryptographicException Failure()
    {
        nuint code = ERR_get_error();
        ERR_clear_error();
        if (code == 0)
            return new CryptographicException("libcrypto: a call failed without a reason");
        byte* text = stackalloc byte[256];
        ERR_error_string_n(code, text, 256);
        return new CryptographicException("libcrypto: " + Marshal.PtrToStringUTF8((nint)text));
    }

    /// <summary>The exception for an algorithm that the loaded library does not have (a FIPS-only configuration, a reduced build).</summary>
    public static SshException NotProvided(string algorithm)
    {
        ERR_clear_error();
        return new SshException(SshError.LibraryMissing, $"libcrypto does not provide {algorithm}")
        {
            Hint = "The OpenSSL on this machine is restricted (by openssl.cnf, a FIPS mode or its build); choose algorithms it has, or install the full OpenSSL 3.",
        };
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (name != Library)
            return 0;
        if (Volatile.Read(ref _loaded) is not 0 and var loaded)
            return loaded;
        foreach (string candidate in CandidateNames())
        {
            if (!NativeLibrary.TryLoad(candidate, assembly, path, out nint handle))
                continue;
            if (NativeLibrary.TryGetExport(handle, "OpenSSL_version_num", out nint version)
                && ((delegate* unmanaged<nuint>)version)() >= OldestVersion)
            {
                Volatile.Write(ref _loaded, handle);
                return handle;
            }
            NativeLibrary.Free(handle);
        }
        throw Missing();
    }

    internal static SshException Missing() =>
        new(SshError.LibraryMissing, "OpenSSL 3 (libcrypto) was not found on this machine")
        {
            Hint = InstallAdvice(),
        };

    private static string[] CandidateNames()
    {
        if (OperatingSystem.IsWindows())
        {
            return RuntimeInformation.ProcessArchitecture == Architecture.Arm64
                ? ["libcrypto-3-arm64.dll", "libcrypto-3.dll"]
                : ["libcrypto-3-x64.dll", "libcrypto-3.dll"];
        }
        if (OperatingSystem.IsMacOS())
        {
            // Not the bare "libcrypto.dylib": macOS kills a process that loads the system's own one.
            return
            [
                "libcrypto.3.dylib",
                "/opt/homebrew/opt/openssl@3/lib/libcrypto.3.dylib",
                "/usr/local/opt/openssl@3/lib/libcrypto.3.dylib",
            ];
        }
        return ["libcrypto.so.3", "libcrypto.so.4", "libcrypto.so"];
    }

    private static string InstallAdvice()
    {
        if (OperatingSystem.IsWindows())
            return "Install OpenSSL 3 and put libcrypto-3-x64.dll beside the program or on PATH.";
        if (OperatingSystem.IsMacOS())
            return "Install it with: brew install openssl@3";
        return "Install it: apt install libssl3 (Debian, Ubuntu), dnf install openssl-libs (Fedora, RHEL), apk add libcrypto3 (Alpine).";
    }

    // Errors

    [LibraryImport(Library)]
    public static partial nuint ERR_get_error();

    [LibraryImport(Library)]
    public static partial void ERR_clear_error();

    [LibraryImport(Library)]
    private static partial void ERR_error_string_n(nuint code, byte* buffer, nuint length);

    // Symmetric ciphers

    [LibraryImport(Library)]
    public static partial nint EVP_CIPHER_fetch(nint libraryContext, byte* name, byte* properties);

    [LibraryImport(Library)]
    public static partial nint EVP_CIPHER_CTX_new();

    [LibraryImport(Library)]
    public static partial void EVP_CIPHER_CTX_free(nint context);

    /// <summary>Null for what stays as it was; encrypt: 1, 0, or -1 for as it was.</summary>
    [LibraryImport(Library)]
    public static partial int EVP_CipherInit_ex(nint context, nint cipher, nint engine, byte* key, byte* iv, int encrypt);

    [LibraryImport(Library)]
    public static partial int EVP_CipherUpdate(nint context, byte* output, int* outputLength, byte* input, int inputLength);

    [LibraryImport(Library)]
    public static partial int EVP_CipherFinal_ex(nint context, byte* output, int* outputLength);

    [LibraryImport(Library)]
    public static partial int EVP_CIPHER_CTX_ctrl(nint context, int type, int argument, void* pointer);

    // Message authentication codes

    [LibraryImport(Library)]
    public static partial nint EVP_MAC_fetch(nint libraryContext, byte* name, byte* properties);

    [LibraryImport(Library)]
    public static partial nint EVP_MAC_CTX_new(nint mac);

    [LibraryImport(Library)]
    public static partial void EVP_MAC_CTX_free(nint context);

    /// <summary>A null key starts the next message under the key that is set.</summary>
    [LibraryImport(Library)]
    public static partial int EVP_MAC_init(nint context, byte* key, nuint keyLength, OsslParam* parameters);

    [LibraryImport(Library)]
    public static partial int EVP_MAC_update(nint context, byte* data, nuint length);

    [LibraryImport(Library)]
    public static partial int EVP_MAC_final(nint context, byte* output, nuint* outputLength, nuint outputSize);

    // SHA-3 and its extendable-output functions

    [LibraryImport(Library)]
    public static partial nint EVP_MD_fetch(nint libraryContext, byte* name, byte* properties);

    [LibraryImport(Library)]
    public static partial int EVP_DigestInit_ex(nint context, nint digest, nint engine);

    [LibraryImport(Library)]
    public static partial int EVP_DigestUpdate(nint context, byte* data, nuint length);

    [LibraryImport(Library)]
    public static partial int EVP_DigestFinal_ex(nint context, byte* output, uint* length);

    [LibraryImport(Library)]
    public static partial int EVP_DigestFinalXOF(nint context, byte* output, nuint length);

    // X25519, Ed25519

    [LibraryImport(Library)]
    public static partial nint EVP_PKEY_new_raw_private_key(int type, nint engine, byte* key, nuint length);

    [LibraryImport(Library)]
    public static partial nint EVP_PKEY_new_raw_public_key(int type, nint engine, byte* key, nuint length);

    [LibraryImport(Library)]
    public static partial int EVP_PKEY_get_raw_public_key(nint key, byte* output, nuint* length);

    [LibraryImport(Library)]
    public static partial void EVP_PKEY_free(nint key);

    [LibraryImport(Library)]
    public static partial nint EVP_PKEY_CTX_new(nint key, nint engine);

    [LibraryImport(Library)]
    public static partial void EVP_PKEY_CTX_free(nint context);

    [LibraryImport(Library)]
    public static partial int EVP_PKEY_derive_init(nint context);

    [LibraryImport(Library)]
    public static partial int EVP_PKEY_derive_set_peer(nint context, nint peer);

    [LibraryImport(Library)]
    public static partial int EVP_PKEY_derive(nint context, byte* output, nuint* length);

    [LibraryImport(Library)]
    public static partial nint EVP_MD_CTX_new();

    [LibraryImport(Library)]
    public static partial void EVP_MD_CTX_free(nint context);

    [LibraryImport(Library)]
    public static partial int EVP_DigestSignInit(nint context, nint* keyContext, nint digest, nint engine, nint key);

    [LibraryImport(Library)]
    public static partial int EVP_DigestSign(nint context, byte* signature, nuint* signatureLength, byte* data, nuint length);

    [LibraryImport(Library)]
    public static partial int EVP_DigestVerifyInit(nint context, nint* keyContext, nint digest, nint engine, nint key);

    [LibraryImport(Library)]
    public static partial int EVP_DigestVerify(nint context, byte* signature, nuint signatureLength, byte* data, nuint length);

    // Big numbers, for Diffie-Hellman modulo a prime

    [LibraryImport(Library)]
    public static partial nint BN_CTX_new();

    [LibraryImport(Library)]
    public static partial void BN_CTX_free(nint context);

    [LibraryImport(Library)]
    public static partial nint BN_new();

    [LibraryImport(Library)]
    public static partial void BN_clear_free(nint number);

    [LibraryImport(Library)]
    public static partial nint BN_bin2bn(byte* bytes, int length, nint result);

    /// <summary>Writes exactly <paramref name="length"/> bytes, in constant time; returns that length, or -1 when the number does not fit.</summary>
    [LibraryImport(Library)]
    public static partial int BN_bn2binpad(nint number, byte* output, int length);

    /// <summary>result = value ^ exponent mod modulus, without a branch or memory access that depends on the exponent. The modulus must be odd.</summary>
    [LibraryImport(Library)]
    public static partial int BN_mod_exp_mont_consttime(nint result, nint value, nint exponent, nint modulus, nint context, nint montgomery);

    /// <summary>1: prime (but for a negligible chance), 0: composite, -1: failure.</summary>
    [LibraryImport(Library)]
    public static partial int BN_check_prime(nint number, nint context, nint callback);

    /// <summary>OSSL_PARAM: a named argument; an array of them ends with one whose key is null.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct OsslParam
    {
        public byte* Key;
        public uint DataType;
        public void* Data;
        public nuint DataSize;
        public nuint ReturnSize;

        /// <summary>OSSL_PARAM_UTF8_STRING</summary>
        public const uint Utf8String = 4;
    }
}
