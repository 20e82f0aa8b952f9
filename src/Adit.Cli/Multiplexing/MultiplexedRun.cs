using Adit.Cli.Background;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Cli.Sessions;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Multiplexing;

/// <summary>What comes before connecting: the connection of another process, or one that this process puts into the background to run over it.</summary>
internal static class MultiplexedRun
{
    /// <summary>The exit code of a run over a shared connection; null where this process is to connect.</summary>
    public static async Task<int?> TryAsync(
        SshConfigValues config, SshArguments arguments, SessionSettings session, BackgroundChild? background, LogOutput log, CancellationToken cancellationToken)
    {
        if (await SharedConnection.TryAsync(config, arguments, session, background, log, cancellationToken).ConfigureAwait(false) is { } code)
        {
            return code;
        }

        var hasSession = session.Type != SessionType.None || arguments.StandardIo is not null;
        if (MasterSettings.Of(config) is not { Persist.Enabled: true } master || !DescriptorPassing.IsSupported || (background is not null && !hasSession))
        {
            return null;
        }

        if (await BackgroundLauncher.RunAsync(BackgroundPurpose.Master).ConfigureAwait(false) is { } failed)
        {
            return failed;
        }

        return hasSession
            ? await SharedConnection.JoinAsync(config, arguments, session, background, log, master.Path, cancellationToken).ConfigureAwait(false)
            : ExitCode.Success;
    }
}
