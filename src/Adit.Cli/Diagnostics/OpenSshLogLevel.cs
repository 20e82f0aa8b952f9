namespace Adit.Cli.Diagnostics;

/// <summary>LogLevel's values, quiet first (and in the order of <see cref="Adit.Ssh.OpenSsh.SshConfigLogLevel"/>). A line is shown when its level is not above the one that is set.</summary>
internal enum OpenSshLogLevel
{
    Quiet,
    Fatal,
    Error,
    Info,
    Verbose,
    Debug1,
    Debug2,
    Debug3,
}
