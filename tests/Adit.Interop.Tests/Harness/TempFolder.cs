namespace Adit.Interop.Tests.Harness;

/// <summary>A private (0700) folder that goes away with its owner. The path is short enough for Unix sockets.</summary>
internal sealed class TempFolder : IDisposable
{
    public TempFolder() => FullPath = Directory.CreateTempSubdirectory("adit-").FullName;

    public string FullPath { get; }

    public string this[string name] => Path.Combine(FullPath, name);

    public string Write(string name, string text, UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite)
    {
        string path = this[name];

        // A process that is being started has our open files until it runs its program: a script that it holds for writing is busy, and nobody can run it.
        lock (ManagedProcess.Starting)
        {
            File.WriteAllText(path, text);
        }

        File.SetUnixFileMode(path, mode);
        return path;
    }

    /// <summary>A shell script that can be run.</summary>
    public string WriteProgram(string name, string script) =>
        Write(name, $"#!/bin/sh\n{script}\n", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

    /// <summary>A shell script that prints one line: what SSH_ASKPASS names.</summary>
    public string WriteAskPass(string name, string answer) =>
        WriteProgram(name, $"printf '%s\\n' '{answer}'");

    public void Dispose()
    {
        try
        {
            Directory.Delete(FullPath, recursive: true);
        }
        catch (IOException)
        {
            // A process that is still ending may write into it; what is left lies in the temporary folder.
        }
    }
}
