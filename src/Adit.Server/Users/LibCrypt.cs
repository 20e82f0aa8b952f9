using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Adit.Server.Users;

/// <summary>crypt(3), which knows the system's password hashes (yescrypt, SHA-512 crypt, …). Part of libcrypt, whose name differs between distributions.</summary>
internal static unsafe class LibCrypt
{
    /// <summary>glibc's old struct crypt_data has 128 KiB and a bit, libxcrypt's 32 KiB.</summary>
    private const int WorkAreaSize = 256 * 1024;

    private static readonly delegate* unmanaged<byte*, byte*, byte*, byte*> CryptFunction = Find("crypt_r");

    /// <summary>False where no libcrypt is installed: then no password can be right.</summary>
    public static bool IsAvailable => CryptFunction is not null;

    /// <summary>Hashes <paramref name="password"/> (no NUL in it) as <paramref name="setting"/> (another hash, or its beginning) says. Null when the setting is of no known kind.</summary>
    public static string? Hash(ReadOnlySpan<byte> password, string setting)
    {
        if (!IsAvailable || password.Contains((byte)0) || setting.Contains('\0'))
        {
            return null;
        }

        var phrase = new byte[password.Length + 1];
        var settingBytes = Encoding.UTF8.GetBytes(setting + '\0');
        var area = (byte*)NativeMemory.AllocZeroed(WorkAreaSize);
        try
        {
            password.CopyTo(phrase);
            fixed (byte* phrasePointer = phrase, settingPointer = settingBytes)
            {
                var hash = Marshal.PtrToStringUTF8((nint)CryptFunction(phrasePointer, settingPointer, area));
                return hash is null or ['*', ..] ? null : hash; // "*0" and "*1" mean failure
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(phrase);
            CryptographicOperations.ZeroMemory(new Span<byte>(area, WorkAreaSize));
            NativeMemory.Free(area);
        }
    }

    private static delegate* unmanaged<byte*, byte*, byte*, byte*> Find(string function)
    {
        foreach (var name in (ReadOnlySpan<string>)["libcrypt.so.1", "libcrypt.so.2", "libcrypt.so"])
        {
            if (NativeLibrary.TryLoad(name, out var library) && NativeLibrary.TryGetExport(library, function, out var address))
            {
                return (delegate* unmanaged<byte*, byte*, byte*, byte*>)address;
            }
        }

        return null;
    }
}
