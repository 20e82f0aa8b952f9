using System.Runtime.InteropServices;

namespace Adit.Server.Pam;

/// <summary>Linux-PAM's functions and numbers (pam(3)). The library is opened by the first call, so by the helper only, and only where UsePAM is on.</summary>
internal static unsafe partial class PamCalls
{
    /// <summary>Its name with the version that all of Linux-PAM's releases have had.</summary>
    public const string Library = "libpam.so.0";

    public const int Success = 0, BufferError = 5, PermissionDenied = 6, AuthenticationError = 7, ConversationError = 19, NewTokenRequired = 12;

    /// <summary>What results of <see cref="SetCredentials"/> name.</summary>
    public const string SetCredentialsName = "pam_setcred";

    /// <summary>Items of a transaction.</summary>
    public const int UserItem = 2, TerminalItem = 3, RemoteHostItem = 4;

    public const int DisallowNullToken = 1, EstablishCredentials = 2, DeleteCredentials = 4, ChangeExpiredToken = 0x20, Silent = 0x8000;

    public const int PromptHidden = 1, PromptShown = 2, ErrorText = 3, InformationText = 4;

    /// <summary>An answer is shorter than this (PAM_MAX_RESP_SIZE).</summary>
    public const int MaxAnswer = 512;

    /// <summary>What a conversation may ask at once (PAM_MAX_NUM_MSG).</summary>
    public const int MaxMessages = 32;

    /// <summary>False where there is no such library.</summary>
    public static bool IsInstalled => NativeLibrary.TryLoad(Library, out _);

    [LibraryImport(Library, EntryPoint = "pam_start", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Start(string service, string user, Conversation* conversation, nint* handle);

    [LibraryImport(Library, EntryPoint = "pam_end")]
    public static partial int End(nint handle, int status);

    [LibraryImport(Library, EntryPoint = "pam_set_item", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SetItem(nint handle, int item, string value);

    [LibraryImport(Library, EntryPoint = "pam_get_item")]
    public static partial int GetItem(nint handle, int item, byte** value);

    [LibraryImport(Library, EntryPoint = "pam_putenv", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int PutVariable(nint handle, string variable);

    [LibraryImport(Library, EntryPoint = "pam_getenvlist")]
    public static partial byte** GetVariables(nint handle);

    [LibraryImport(Library, EntryPoint = "pam_strerror")]
    public static partial byte* Describe(nint handle, int code);

    [LibraryImport(Library, EntryPoint = "pam_authenticate")]
    public static partial int Authenticate(nint handle, int flags);

    [LibraryImport(Library, EntryPoint = "pam_acct_mgmt")]
    public static partial int CheckAccount(nint handle, int flags);

    [LibraryImport(Library, EntryPoint = "pam_chauthtok")]
    public static partial int ChangeToken(nint handle, int flags);

    [LibraryImport(Library, EntryPoint = "pam_setcred")]
    public static partial int SetCredentials(nint handle, int flags);

    [LibraryImport(Library, EntryPoint = "pam_open_session")]
    public static partial int OpenSession(nint handle, int flags);

    [LibraryImport(Library, EntryPoint = "pam_close_session")]
    public static partial int CloseSession(nint handle, int flags);

    /// <summary>struct pam_conv.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Conversation
    {
        public delegate* unmanaged[Cdecl]<int, Message**, Response**, nint, int> Converse;
        public nint Data;
    }

    /// <summary>struct pam_message.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Message
    {
        public int Style;
        public byte* Text;
    }

    /// <summary>struct pam_response; the array and the texts are freed by whoever asked, with free(3).</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Response
    {
        public byte* Text;
        public int Code;
    }
}
