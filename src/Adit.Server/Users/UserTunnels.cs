using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Users;

/// <summary>Opens tunnel devices with the identity of whoever logged in, as OpenSSH's server does: root gets any, another user those that root made for them
/// (ip tuntap add … user NAME).</summary>
internal static unsafe class UserTunnels
{
    /// <summary>Opens one. Throws <see cref="SshException"/> as <see cref="TunnelInterface.Open"/>. Blocks, for as long as the name service does.</summary>
    public static TunnelInterface Open(UserAccount account, IUserDatabase users, TunnelMode mode, int unit)
    {
        TunnelInterface.ThrowIfImpossible(mode);
        if (UserIdentity.Of(account, users) is not { } identity)
        {
            return TunnelInterface.Open(mode, unit);
        }

        if (Obstacle(account, users) is { } obstacle)
        {
            throw new SshException(SshError.ForwardFailed, obstacle);
        }

        uint[] groups = [.. identity.Groups];
        var taken = new uint[groups.Length];
        var request = TunnelInterface.Request(mode, unit);
        using var native = new Processes.NativeStrings([TunnelInterface.Control]);
        var call = new UnixSocketCall
        {
            File = native.First,
            OpenFlags = TunnelInterface.Flags,
            Control = (nint)TunnelInterface.SetInterface,
            TakesIdentity = true,
            Uid = identity.Uid,
            Gid = identity.Gid,
            GroupCount = groups.Length,
        };
        fixed (uint* pointer = groups, takenPointer = taken)
        fixed (byte* argument = request)
        {
            call.Groups = pointer;
            call.GroupsTaken = takenPointer;
            call.ControlArgument = argument;
            call.RunAndWait();
        }

        return call.Step switch
        {
            UnixSocketStep.Done => TunnelInterface.Opened(new SafeFileHandle(call.Descriptor, ownsHandle: true), request, mode),
            UnixSocketStep.Identity => throw new SshException(SshError.ForwardFailed, $"the server cannot act as {account.Name}") { Hint = "It needs root's CAP_SETUID, CAP_SETGID and CAP_SETPCAP." },
            _ => throw TunnelInterface.Failed(mode, unit, call.Error, isOpen: call.Step == UnixSocketStep.Control),
        };
    }

    /// <summary>Why this process opens none as <paramref name="account"/>; null when it can.</summary>
    public static string? Obstacle(UserAccount account, IUserDatabase users) =>
        account.Uid == users.ProcessUid || (users.ProcessUid == 0 && SystemCalls.OfThisMachine is not null) ? null : "devices are opened for the user that the server runs as only";
}
