using Adit.Server.Pam;
using Adit.Server.Processes;

namespace Adit.Cli.Commands;

/// <summary><c>adit session-start</c>: what <c>adit sshd</c> runs to start a program as another user; with the word <c>pam</c>, to speak with PAM for one login. Takes nothing else from its
/// command line, and nothing from its environment.</summary>
internal static class SessionStartCommand
{
    public const string Name = "session-start";

    private const string PamWord = "pam";

    /// <summary>Null where this program cannot tell what its own file is.</summary>
    public static StartHelper? Helper => StartHelper.OfThisProgram(Name);

    /// <summary>Returns only when it could not become that program, or the login that it spoke with PAM for is over.</summary>
    public static Task<int> RunAsync(string[] arguments) => Task.FromResult(arguments is [PamWord] ? PamHelperProcess.Run() : StartHelperProcess.Run());
}
