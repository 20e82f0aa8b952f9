using System.Runtime.InteropServices;
using Adit.Server.Users;
using Adit.Ssh;

namespace Adit.Server.Processes;

/// <summary>ChrootDirectory: a program's root folder. It and every folder above it must be root's, and nobody else may write to them.</summary>
internal static unsafe class RootFolder
{
    private const ushort TypeMask = 0xF000, Folder = 0x4000, GroupOrOthersWrite = 0x12; // 022

    /// <summary>Enters it. Throws <see cref="SshException"/> with sshd's words where it will not or cannot.</summary>
    public static void Enter(string path)
    {
        if (Fault(path) is { } fault)
        {
            throw new SshException(SshError.PolicyDenied, fault);
        }

        using var native = new NativeStrings([path]);
        using var top = new NativeStrings(["/"]);
        new NativeStrings(["."]).Dispose(); // nothing is to be bound for the first time behind the change
        if (ProcessCalls.ChangeFolder(native.First) != 0)
        {
            throw Failed($"Unable to chdir to chroot path \"{path}\"");
        }

        if (ProcessCalls.ChangeRoot(native.First) != 0)
        {
            throw Failed($"chroot(\"{path}\")");
        }

        if (ProcessCalls.ChangeFolder(top.First) != 0)
        {
            throw Failed("chdir(/) after chroot");
        }
    }

    /// <summary>What is wrong with it, in sshd's words; null for nothing.</summary>
    internal static string? Fault(string path)
    {
        if (!path.StartsWith('/') || path.Contains('\0'))
        {
            return "chroot path does not begin at root";
        }

        // "/", "/srv/", "/srv/jail": each with what follows it, as sshd names them.
        var end = 0;
        while (true)
        {
            var slash = path.IndexOf('/', end);
            var isWhole = slash < 0;
            end = slash + 1;
            var component = isWhole ? path : path[..end];
            var kind = isWhole ? "" : "component ";
            LibC.StatxBuffer status;
            if (LibC.Statx(LibC.AtCurrentDirectory, component, 0, LibC.StatxBasic, &status) != 0)
            {
                return $"safely_chroot: stat(\"{component}\"): {ProcessCalls.Describe(Marshal.GetLastPInvokeError())}";
            }

            if (status.Uid != 0 || (status.Mode & GroupOrOthersWrite) != 0)
            {
                return $"bad ownership or modes for chroot directory {kind}\"{component}\"";
            }

            if ((status.Mode & TypeMask) != Folder)
            {
                return $"chroot path {kind}\"{component}\" is not a directory";
            }

            if (isWhole)
            {
                return null;
            }
        }
    }

    private static SshException Failed(string what) => new(SshError.PolicyDenied, $"{what}: {ProcessCalls.Describe(Marshal.GetLastPInvokeError())}");
}
