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

    /// <summary>Null when it cannot be made; that is logged.</summary>
    public static AuthenticationFile? Create(ServerLogin login, uint processUid, ILogger logger)
    {
        var path = "/tmp/sshauth." + RandomNumberGenerator.GetString(Letters, RandomLength);
        try
        {
            // A new file of a name that nobody knows, in nobody's place: CreateNew follows no link.
            using var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write);
            _ = ProcessCalls.ChangeMode(file, OwnerOnly); // before there is anything in it
            RandomAccess.Write(file, Encoding.UTF8.GetBytes(login.Information), 0);
            if (processUid == 0 && ProcessCalls.ChangeOwner(file, login.Account.Uid, login.Account.Gid) != 0)
            {
                throw new IOException(System.Runtime.InteropServices.Marshal.GetLastPInvokeErrorMessage());
            }

            return new AuthenticationFile(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            logger.LogError("ExposeAuthInfo: cannot write {Path}: {Reason}", path, error.Message);
            return null;
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
