namespace Adit.Cli.Diagnostics;

/// <summary>LogLevel's values, quiet first. A line is shown when its level is not above the one that is set.</summary>
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

internal static class OpenSshLogLevels
{
    /// <summary>QUIET, FATAL, ERROR, INFO, VERBOSE, DEBUG (= DEBUG1), DEBUG2, DEBUG3, in any case; null for anything else.</summary>
    public static OpenSshLogLevel? Parse(string name) => name.ToUpperInvariant() switch
    {
        "QUIET" => OpenSshLogLevel.Quiet,
        "FATAL" => OpenSshLogLevel.Fatal,
        "ERROR" => OpenSshLogLevel.Error,
        "INFO" => OpenSshLogLevel.Info,
        "VERBOSE" => OpenSshLogLevel.Verbose,
        "DEBUG" or "DEBUG1" => OpenSshLogLevel.Debug1,
        "DEBUG2" => OpenSshLogLevel.Debug2,
        "DEBUG3" => OpenSshLogLevel.Debug3,
        _ => null,
    };
}
