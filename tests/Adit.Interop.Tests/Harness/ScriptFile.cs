using System.Diagnostics;

namespace Adit.Interop.Tests.Harness;

/// <summary>Scripts for tests that start programs in their own process. What such a process has open for writing every program that is just being started has open too, until it
/// runs: the script is busy (ETXTBSY), and nobody can run it. So another process writes it.</summary>
internal static class ScriptFile
{
    /// <summary>Writes a script that its owner can run.</summary>
    public static void Write(string path, string text)
    {
        using var writer = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "umask 077; cat > \"$0\" && chmod 700 \"$0\"", path]) { RedirectStandardInput = true })!;
        writer.StandardInput.Write(text);
        writer.StandardInput.Close();
        writer.WaitForExit();
        if (writer.ExitCode != 0)
        {
            throw new IOException($"{path} cannot be written");
        }
    }
}
