using System.Text;

namespace Adit.Cli.CommandLine;

/// <summary>Standard output and error as plain unbuffered byte streams. <see cref="Console"/>'s writers set up encodings and the terminal, which costs a
/// start-up that most runs do not need.</summary>
internal static class StandardStreams
{
    private static readonly Lazy<Stream> Out = new(Console.OpenStandardOutput);
    private static readonly Lazy<Stream> Error = new(Console.OpenStandardError);
    private static readonly Lock OutLock = new();
    private static readonly Lock ErrorLock = new();

    public static void WriteOut(string text) => Write(Out.Value, OutLock, text);

    public static void WriteOutLine(string line = "") => WriteOut(line + "\n");

    public static void WriteError(string text) => Write(Error.Value, ErrorLock, text);

    public static void WriteErrorLine(string line) => WriteError(line + "\n");

    private static void Write(Stream stream, Lock gate, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        lock (gate)
        {
            try
            {
                stream.Write(bytes);
            }
            catch (IOException)
            {
                // Nobody reads any more; there is nowhere left to say so.
            }
        }
    }
}
