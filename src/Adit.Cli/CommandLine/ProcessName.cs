using System.Runtime.InteropServices;

namespace Adit.Cli.CommandLine;

/// <summary>The name that <c>ps</c>, <c>pgrep</c> and <c>pidof</c> know this process by (prctl(2), PR_SET_NAME): that of the file it was started from, unless told otherwise.
/// A process that this program started through /proc/self/exe would be called "exe", and one behind a link named ssh "adit": <c>pgrep -x sshd</c> would not find it.</summary>
internal static partial class ProcessName
{
    private const int SetName = 15; // PR_SET_NAME

    /// <summary>Gives the process the name that it was called by. To be called on the main thread, whose name it is; the kernel takes the first 15 bytes.</summary>
    /// <param name="invokedAs">argv[0].</param>
    public static void Take(string invokedAs)
    {
        if (OperatingSystem.IsLinux() && Path.GetFileName(invokedAs) is { Length: > 0 } name)
        {
            _ = prctl(SetName, name, 0, 0, 0); // it fails for bad addresses only
        }
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int prctl(int option, string name, nuint third, nuint fourth, nuint fifth);
}
