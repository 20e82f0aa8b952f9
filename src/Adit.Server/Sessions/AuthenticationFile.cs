using System.Security.Cryptography;
using System.Text;
using Adit.Server.Authentication;
using Adit.Server.Processes;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Sessions;

/// <summary>ExposeAuthInfo's file: one line for each step of the login, with the key where there was one (sshd_config(5)). The user's, who alone may read it.</summary>
internal sealed class AuthenticationFile
{
    private const string Letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    private const int RandomLength = 15;
    private const uint OwnerOnly = 0x180; // 0600

    private AuthenticationFile(string path) => Path = path;

    public string Path { get; }

    /// <summary>Null when it cannot be made, or not as it has to be; that is logged.</summary>
    public static AuthenticationFile? Create(ServerLogin login, uint processUid, ILogger logger, string folder = "/tmp")
    {
        var made = new AuthenticationFile(System.IO.Path.Combine(folder, "sshauth." + RandomNumberGenerator.GetString(Letters, RandomLength)));
        var isThere = false;
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        try
        {
            // A new file of a name that nobody knows, in nobody's place: CreateNew follows no link. Nobody else can open it, from the start.
            using var file = new FileStream(made.Path, options);
            isThere = true;

            // The umask may have taken more from it. Its owner comes last: until it is whole it is ours.
            Demand(ProcessCalls.ChangeMode(file.SafeFileHandle, OwnerOnly));
            file.Write(Encoding.UTF8.GetBytes(login.Information));
            if (processUid == 0)
            {
                Demand(ProcessCalls.ChangeOwner(file.SafeFileHandle, login.Account.Uid, login.Account.Gid));
            }

            return made;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            logger.LogError("ExposeAuthInfo: cannot write {Path}: {Reason}", made.Path, error.Message);
            if (isThere)
            {
                made.Remove();
            }

            return null;
        }
    }

    private static void Demand(int result)
    {
        if (result != 0)
        {
            throw new IOException(System.Runtime.InteropServices.Marshal.GetLastPInvokeErrorMessage());
        }
    }

    /// <summary>The login is over.</summary>
    public void Remove()
    {
        try
        {
            File.Delete(Path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Somebody has removed it, or put something in its place: theirs, then.
        }
    }
}
