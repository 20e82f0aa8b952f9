using Adit.Server.Users;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Processes;

/// <summary>Another process, whose children a login's programs are to be: they have what it has, and cannot be given otherwise.</summary>
internal interface IProgramParent
{
    /// <summary>Completes when it has ended though nobody told it to. Its programs are being ended then. Never faults.</summary>
    Task Lost { get; }

    /// <summary>The supplementary groups that its programs get; null for those that the account has.</summary>
    IReadOnlyList<uint>? Groups { get; }

    /// <summary>Has it start a helper. The descriptors stay the caller's. Throws <see cref="Adit.Ssh.SshException"/> when it cannot, or is gone.</summary>
    /// <param name="helper">What to run.</param>
    /// <param name="streams">Its first three descriptors.</param>
    /// <param name="spec">Its descriptor 3.</param>
    /// <param name="report">Its descriptor 4.</param>
    /// <param name="endsItsGroup">What is left of its process group is killed when it has ended.</param>
    Task<RunningProgram> SpawnAsync(StartHelper helper, ProgramStreams streams, SafeFileHandle spec, SafeFileHandle report, bool endsItsGroup);
}

/// <summary>Programs as children of this process or of another.</summary>
internal static class ProgramParents
{
    /// <summary>Starts a program; see <see cref="ProgramLauncher.Launch"/>.</summary>
    /// <param name="launcher">What starts it, or says how.</param>
    /// <param name="start">The program.</param>
    /// <param name="streams">They stay the caller's, and must stay open until this has completed.</param>
    /// <param name="parent">Whose child it is to be; null for this process's.</param>
    /// <param name="cancellationToken">Gives up what has not begun.</param>
    public static async Task<LaunchedProgram> LaunchAsync(this ProgramLauncher launcher, ProgramStart start, ProgramStreams streams, IProgramParent? parent, CancellationToken cancellationToken)
    {
        if (parent is null)
        {
            return await BlockingWork.RunAsync(() => launcher.Launch(start, streams), cancellationToken).ConfigureAwait(false);
        }

        cancellationToken.ThrowIfCancellationRequested();
        var order = launcher.Order(start);
        using (order.Spec)
        using (order.Writing)
        {
            try
            {
                var program = await parent.SpawnAsync(order.Helper, streams, order.Spec, order.Writing, start.EndsItsGroup).ConfigureAwait(false);
                launcher.Hear(order.Reading);
                return new LaunchedProgram(program, null);
            }
            catch
            {
                order.Reading.Dispose();
                throw;
            }
        }
    }

    /// <summary>The identity that a program of an account gets.</summary>
    /// <param name="parent">Whose child it is to be.</param>
    /// <param name="account">The account.</param>
    /// <param name="identity">What it would get without; null for this process's own.</param>
    public static UserIdentity? IdentityOf(this IProgramParent? parent, UserAccount account, UserIdentity? identity) =>
        parent?.Groups is { } groups ? new UserIdentity(account.Uid, account.Gid, groups) : identity;
}
