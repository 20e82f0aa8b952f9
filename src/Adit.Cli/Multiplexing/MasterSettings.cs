using Adit.Cli.Sessions;
using Adit.Ssh.OpenSsh;
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Multiplexing;

/// <summary>How a connection is shared with others.</summary>
/// <param name="Path">ControlPath, expanded.</param>
/// <param name="Asks">ControlMaster ask or autoask: a person confirms each use.</param>
/// <param name="Persist">ControlPersist: whether and how long the connection stays when nobody uses it.</param>
/// <param name="KeystrokeInterval">ObscureKeystrokeTiming, for sessions with a terminal; null for no.</param>
internal sealed record MasterSettings(string Path, bool Asks, ControlPersist Persist, TimeSpan? KeystrokeInterval)
{
    /// <summary>Null where the connection is not to be shared.</summary>
    /// <exception cref="Ssh.SshException">ObscureKeystrokeTiming makes no sense.</exception>
    public static MasterSettings? Of(SshConfigValues config) =>
        config.Get(Keywords.ControlMaster) is not ControlMasterMode.No and var mode && config.ControlPath is { } path
            ? new MasterSettings(path, mode is ControlMasterMode.Ask or ControlMasterMode.AutoAsk, config.Get(Keywords.ControlPersist),
                KeystrokePacer.Parse(config.Get(Keywords.ObscureKeystrokeTiming) ?? "yes"))
            : null;
}
