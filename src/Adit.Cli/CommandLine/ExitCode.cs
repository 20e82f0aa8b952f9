namespace Adit.Cli.CommandLine;

/// <summary>What the programs exit with.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>A demo or tool that did not do what it was asked to.</summary>
    public const int Failure = 1;

    /// <summary>A command line of our own commands that makes no sense.</summary>
    public const int Usage = 2;

    /// <summary>ssh: any error of its own, as opposed to the remote command's.</summary>
    public const int Ssh = 255;
}
