using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Adit.Server.Users;
using Adit.Ssh;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Sessions;

/// <summary>A fresh folder that one account alone can enter, with a name that nobody can foresee: "/tmp/ssh-XXXXXXXXXX", where OpenSSH's server has its agent sockets.
/// What is in it is removed through the folder itself, whatever its path leads to by then: its owner may have put something else there.</summary>
internal sealed partial class AgentForwardingFolder : IDisposable
{
    private const string Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    private const int NameLength = 10, Attempts = 100;
    private const int FileExists = 17, OwnerOnly = 0b111_000_000;

    /// <summary>O_DIRECTORY and O_NOFOLLOW, whose numbers differ between processors.</summary>
    private static readonly int FolderOnly = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x4000 | 0x8000 : 0x10000 | 0x20000;

    private readonly SafeFileHandle _folder;
    private readonly string _file;

    private AgentForwardingFolder(SafeFileHandle folder, string path, string file)
    {
        (_folder, Path, _file) = (folder, path, file);
    }

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>The socket's path. Nothing is there yet.</summary>
    public string SocketPath => $"{Path}/{_file}";

    /// <summary>Makes it. Throws <see cref="SshException"/> (<see cref="SshError.ForwardFailed"/>) with the C library's words.</summary>
    /// <param name="parent">An existing folder: /tmp.</param>
    /// <param name="file">The socket's name.</param>
    /// <param name="account">Whose it becomes.</param>
    /// <param name="processUid">Who this process is: root, or that account.</param>
    public static AgentForwardingFolder Create(string parent, string file, UserAccount account, uint processUid)
    {
        var path = Make(parent);
        var folder = new SafeFileHandle(LibC.Open(path, LibC.OpenReadOnly | LibC.OpenCloseOnExec | FolderOnly), ownsHandle: true);
        try
        {
            if (folder.IsInvalid)
            {
                throw Failed(path, Marshal.GetLastPInvokeErrorMessage());
            }

            // Made by us, with rights for us alone, in a folder where others cannot rename it (/tmp is sticky); and looked at again all the same.
            if (OwnerOf(folder) != processUid)
            {
                throw Failed(path, "it is somebody else's");
            }

            if (account.Uid != processUid && ChangeOwner(folder, account.Uid, account.Gid) != 0)
            {
                throw Failed(path, Marshal.GetLastPInvokeErrorMessage());
            }

            return new AgentForwardingFolder(folder, path, file);
        }
        catch
        {
            folder.Dispose();
            _ = RemoveFolder(path);
            throw;
        }
    }

    /// <summary>Removes the socket and the folder; a folder in which its owner has put more stays.</summary>
    public void Dispose()
    {
        if (_folder.IsClosed)
        {
            return;
        }

        _ = RemoveIn(_folder, _file, 0);
        _folder.Dispose();
        _ = RemoveFolder(Path); // rmdir(2) follows no link and removes nothing that has something in it
    }

    private static string Make(string parent)
    {
        for (var attempt = 0; ; attempt++)
        {
            var path = $"{parent}/ssh-{RandomNumberGenerator.GetString(Letters, NameLength)}";
            if (MakeFolder(path, OwnerOnly) == 0)
            {
                return path;
            }

            if (Marshal.GetLastPInvokeError() != FileExists || attempt == Attempts)
            {
                throw Failed(path, Marshal.GetLastPInvokeErrorMessage());
            }
        }
    }

    private static unsafe uint OwnerOf(SafeFileHandle folder)
    {
        LibC.StatxBuffer status;
        var error = LibC.Statx((int)folder.DangerousGetHandle(), "", LibC.AtEmptyPath, LibC.StatxBasic, &status);
        return error == 0 ? status.Uid : uint.MaxValue;
    }

    private static SshException Failed(string path, string reason) => new(SshError.ForwardFailed, $"{path}: {reason}");

    [LibraryImport("libc", EntryPoint = "mkdir", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int MakeFolder(string path, int mode);

    [LibraryImport("libc", EntryPoint = "fchown", SetLastError = true)]
    private static partial int ChangeOwner(SafeFileHandle file, uint user, uint group);

    [LibraryImport("libc", EntryPoint = "unlinkat", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int RemoveIn(SafeFileHandle folder, string name, int flags);

    [LibraryImport("libc", EntryPoint = "rmdir", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int RemoveFolder(string path);
}
