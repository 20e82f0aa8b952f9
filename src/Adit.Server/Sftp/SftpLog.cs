using System.Text;
using Adit.Server.Configuration;
using Adit.Server.Processes;
using Adit.Ssh.Wire;

namespace Adit.Server.Sftp;

/// <summary>What an SFTP session tells the log, in sftp-server's words. The lines go to the server that started the process, which writes them where its own go; with -e to standard error.</summary>
/// <param name="level">The most that is told.</param>
/// <param name="descriptor">Where to.</param>
/// <param name="isForServer">To the server (<see cref="SftpLogLines"/>), not to standard error.</param>
internal sealed unsafe class SftpLog(SshdLogLevel level, int descriptor, bool isForServer)
{
    /// <summary>What begins each line for the server: nothing else that a helper says begins so.</summary>
    public const byte Mark = 1;

    public const byte ErrorMark = (byte)'E', PlainMark = (byte)'I';

    private const int MostShown = 4096;

    public bool Shows(SshdLogLevel wanted) => wanted <= level;

    public void Write(SshdLogLevel wanted, string text)
    {
        if (!Shows(wanted))
        {
            return;
        }

        var line = isForServer
            ? $"{(char)Mark}{(char)(wanted <= SshdLogLevel.Error ? ErrorMark : PlainMark)}internal-sftp[{Environment.ProcessId}]: {text}\n"
            : text + "\r\n";
        WriteAll(descriptor, Encoding.UTF8.GetBytes(line));
    }

    /// <summary>A name as it is shown: bytes that are no text are escaped.</summary>
    public static string Show(ReadOnlySpan<byte> name) => PeerText.Escape(OsText.Decode(name), MostShown);

    /// <summary>All of it, or what goes: a log that nobody reads any more stops nothing.</summary>
    public static void WriteAll(int descriptor, ReadOnlySpan<byte> data)
    {
        fixed (byte* pointer = data)
        {
            for (nint written = 0; written < data.Length;)
            {
                var count = SftpCalls.Write(descriptor, pointer + written, (nuint)(data.Length - written));
                if (count < 0 && SftpCalls.Error != SftpCalls.Interrupted)
                {
                    return;
                }

                written += Math.Max(count, 0);
            }
        }
    }
}
