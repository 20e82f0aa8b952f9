using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Server.Sftp;
using Adit.Ssh.Wire;

namespace Adit.Server.Sessions;

/// <summary>What a session runs, after what the server or the credentials force.</summary>
internal sealed record SessionCommand
{
    private const string InternalSftp = SftpStart.ProgramName;
    private const int MostShown = 900;

    /// <summary>For the user's shell; null for the login shell itself.</summary>
    public string? Command { get; private init; }

    /// <summary>What the client asked for where something else is forced: SSH_ORIGINAL_COMMAND.</summary>
    public string? Original { get; private init; }

    /// <summary>Something is forced.</summary>
    public bool IsForced { get; private init; }

    public bool IsSubsystem { get; private init; }

    /// <summary>Arguments of the SFTP server that runs without a shell; null where none does.</summary>
    public IReadOnlyList<string>? Sftp { get; private init; }

    /// <summary>The server is for SFTP only, and something else was asked for.</summary>
    public bool IsSftpOnly { get; private init; }

    /// <summary>"shell", "command", "subsystem 'sftp'", "forced-command (config) '…'": for the log. A command that the user chose is not shown.</summary>
    public required string Title { get; init; }

    /// <summary>"session:shell" and so on, for ChannelTimeout.</summary>
    public required string ChannelType { get; init; }

    /// <summary>Null for a subsystem that there is none of.</summary>
    public static SessionCommand? Of(LoginGrant grant, StartRequest request)
    {
        var isSubsystem = request.Kind == SessionKind.Subsystem;
        var asked = isSubsystem ? FindSubsystem(grant.Config, request.Text!) : request.Text;
        if (isSubsystem && asked is null)
        {
            return null;
        }

        var forced = grant.ForcedCommand;
        var command = forced?.Command ?? asked;
        var isSftp = command is not null && IsInternalSftp(command) && (isSubsystem || forced is not null);
        return new SessionCommand
        {
            Command = command,
            Original = forced is null ? null : asked,
            IsForced = forced is not null,
            IsSubsystem = isSubsystem,
            Sftp = isSftp && isSubsystem ? [.. command!.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries).Skip(1)] : null,
            IsSftpOnly = isSftp && !isSubsystem,
            Title = forced is not null ? $"forced-command {(forced.Rule == "ForceCommand" ? "(config)" : "(key-option)")} '{PeerText.Escape(forced.Command, MostShown)}'"
                : request.Kind switch
                {
                    SessionKind.Shell => "shell",
                    SessionKind.Command => "command",
                    _ => $"subsystem '{PeerText.Escape(request.Text!, MostShown)}'",
                },
            ChannelType = request.Kind switch
            {
                SessionKind.Shell => "session:shell",
                SessionKind.Command => "session:command",
                _ => $"session:subsystem:{request.Text}",
            },
        };
    }

    private static string? FindSubsystem(SshdConfig config, string name) =>
        config.Layers(SessionKeywords.Subsystem).SelectMany(layer => layer).FirstOrDefault(subsystem => subsystem.Name == name)?.Command;

    private static bool IsInternalSftp(string command) =>
        command.StartsWith(InternalSftp, StringComparison.Ordinal) && (command.Length == InternalSftp.Length || command[InternalSftp.Length] is ' ' or '\t');
}
