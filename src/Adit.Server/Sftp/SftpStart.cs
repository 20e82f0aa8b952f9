namespace Adit.Server.Sftp;

/// <summary>Who an SFTP session is for.</summary>
/// <param name="User">The account's name.</param>
/// <param name="Home">Its home folder.</param>
/// <param name="Client">The client's address, for the log.</param>
internal sealed record SftpStart(string User, string Home, string Client)
{
    /// <summary>What configurations call the server, and how its process is shown.</summary>
    public const string ProgramName = "internal-sftp";
}
