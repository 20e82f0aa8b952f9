using Adit.Server.Processes;

namespace Adit.Cli.Commands;

/// <summary><c>adit session-start</c>: what <c>adit sshd</c> runs to start a program as another user. Takes nothing from its command line or environment.</summary>
internal static class SessionStartCommand
{
    public const string Name = "session-start";

    /// <summary>Null where this program cannot tell what its own file is.</summary>
    public static StartHelper? Helper => StartHelper.OfThisProgram(Name);

    /// <summary>Returns only when it could not become that program.</summary>
    public static Task<int> RunAsync(string[] arguments) => Task.FromResult(StartHelperProcess.Run());
}
