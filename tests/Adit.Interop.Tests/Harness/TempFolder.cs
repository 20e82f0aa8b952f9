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
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, mode);
        return path;
    }

    /// <summary>A shell script that prints one line: what SSH_ASKPASS names.</summary>
    public string WriteAskPass(string name, string answer) =>
        Write(name, $"#!/bin/sh\nprintf '%s\\n' '{answer}'\n", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

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
