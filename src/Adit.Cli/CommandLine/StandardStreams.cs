using System.Text;

namespace Adit.Cli.CommandLine;

/// <summary>Lines for standard output and error, straight to the descriptors. <see cref="Console"/>'s writers set up encodings and the terminal, which costs a
/// start-up that most runs do not need, and puts control sequences on the terminal.</summary>
internal static class StandardStreams
{
    private static readonly Lock OutLock = new();
    private static readonly Lock ErrorLock = new();

    public static void WriteOut(string text) => Write(Descriptor.StandardOutput, OutLock, text);

    public static void WriteOutLine(string line = "") => WriteOut(line + "\n");

    public static void WriteError(string text) => Write(Descriptor.StandardError, ErrorLock, text);

    public static void WriteErrorLine(string line) => WriteError(line + "\n");

    private static void Write(int descriptor, Lock gate, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        lock (gate)
        {
            try
            {
                Descriptor.Write(descriptor, bytes);
            }
            catch (IOException)
            {
                // Nobody reads any more; there is nowhere left to say so.
            }
        }
    }
}
