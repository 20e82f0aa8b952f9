using System.Runtime.InteropServices;
using System.Text;
using Adit.Ssh.Wire;

namespace Adit.Cli.Diagnostics;

/// <summary>syslog(3), as ssh -y and sshd write to it: the program's name and process in front, errors marked as such.</summary>
internal static partial class SystemLog
{
    private const int WithProcess = 1; // LOG_PID

    /// <summary>openlog(3) keeps the pointer that it gets.</summary>
    private static nint name;

    /// <summary>Begins to log under a facility of SyslogFacility; LOG_USER for one that is not known.</summary>
    public static void Open(string facility, string program = "ssh")
    {
        var before = name;
        name = Marshal.StringToCoTaskMemUTF8(program);
        OpenLog(name, WithProcess, FacilityCode(facility));
        Marshal.FreeCoTaskMem(before);
    }

    public static void Write(OpenSshLogLevel level, string text)
    {
        var (priority, prefix) = Priority(level);
        foreach (var line in text.TrimEnd('\n').Split('\n'))
        {
            // The text is the format: without values to put in, but with nothing in it that would want any.
            SysLog(priority, Encoding.UTF8.GetBytes((prefix + PeerText.Escape(line.TrimEnd('\r'))).Replace("%", "%%", StringComparison.Ordinal) + "\0"));
        }
    }

    /// <summary>The level for syslog(3), and what ssh writes in front where there is no terminal to tell errors by.</summary>
    internal static (int Priority, string Prefix) Priority(OpenSshLogLevel level) => level switch
    {
        OpenSshLogLevel.Fatal => (2, "fatal: "),
        OpenSshLogLevel.Error => (3, "error: "),
        OpenSshLogLevel.Debug1 => (7, "debug1: "),
        OpenSshLogLevel.Debug2 => (7, "debug2: "),
        OpenSshLogLevel.Debug3 => (7, "debug3: "),
        _ => (6, ""),
    };

    internal static int FacilityCode(string facility) => facility.ToUpperInvariant() switch
    {
        "DAEMON" => 3 << 3,
        "AUTH" => 4 << 3,
        "AUTHPRIV" => 10 << 3,
        ['L', 'O', 'C', 'A', 'L', >= '0' and <= '7' and var digit] => (16 + digit - '0') << 3,
        _ => 1 << 3,
    };

    [LibraryImport("libc", EntryPoint = "openlog")]
    private static partial void OpenLog(nint identity, int options, int facility);

    [LibraryImport("libc", EntryPoint = "syslog")]
    private static partial void SysLog(int priority, byte[] format);
}
