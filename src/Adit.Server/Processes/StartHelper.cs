namespace Adit.Server.Processes;

/// <summary>The program that takes another user's identity and becomes the program to be started: <c>adit session-start</c>, whose whole work is <see cref="StartHelperProcess.Run"/>.
/// A server without one starts programs as its own user only.</summary>
/// <param name="File">Its file.</param>
/// <param name="Arguments">Its arguments, the name it is called by first.</param>
public sealed record StartHelper(string File, IReadOnlyList<string> Arguments)
{
    /// <summary>This process's own program with one word as its argument; null where its file is not known.</summary>
    public static StartHelper? OfThisProgram(string word)
    {
        if (Environment.ProcessPath is not { } path)
        {
            return null;
        }

        // Run by "dotnet adit.dll" the program is an argument.
        return Path.GetFileNameWithoutExtension(path) == "dotnet"
            ? new StartHelper(path, ["adit", Path.GetFullPath(Environment.GetCommandLineArgs()[0]), word])
            : new StartHelper(path, ["adit", word]);
    }
}
