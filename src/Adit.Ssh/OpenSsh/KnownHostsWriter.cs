using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using Adit.Ssh.Keys;
using Microsoft.Win32.SafeHandles;

namespace Adit.Ssh.OpenSsh;

/// <summary>Adds lines to a known_hosts file. What is in the file stays as it is, byte for byte, with its owner and mode; links are followed; a new file
/// gets mode 0600 and a new directory 0700. All lines go out in one appending write, so that processes adding at the same time do not damage each other's.</summary>
internal static partial class KnownHostsWriter
{
    private static readonly SearchValues<char> Special = SearchValues.Create(",*?!|\"\\");

    /// <summary>Appends a line for <paramref name="names"/>, or with <paramref name="hash"/> one for the hash of each. Throws <see cref="IOException"/> or
    /// <see cref="UnauthorizedAccessException"/> when it cannot.</summary>
    public static void Append(string path, IReadOnlyList<string> names, PublicKey key, bool hash)
    {
        var lines = new StringBuilder();
        // Anything that the format gives a meaning would make the line be about other hosts too.
        if (!names.All(IsPlain))
            throw new IOException("the host name holds characters that a known_hosts line cannot hold");
        foreach (string field in hash ? names.Select(KnownHostsEntry.HashName) : [string.Join(',', names)])
            lines.Append(field).Append(' ').Append(key.ToText()).Append('\n');
        CreateWhereMissing(path);
        Write(path, EndsInMidLine(path) ? "\n" + lines : lines.ToString());
    }

    /// <summary>Takes lines out: those that stand where they were read and still are about the same key. The file is written anew beside and put in its place at once; what it
    /// was stays as "path.old". Throws as <see cref="Append"/> does.</summary>
    public static void Remove(string path, IReadOnlyList<KnownHostsEntry> entries)
    {
        // A link stays a link.
        string target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
        string[] lines = File.ReadAllText(target).Split('\n');
        var kept = lines.Where((line, index) => !entries.Any(entry => entry.Line == index + 1 && line.Contains(Convert.ToBase64String(entry.Key.Blob.Span), StringComparison.Ordinal)));
        string text = string.Join('\n', kept);
        File.Copy(target, target + ".old", overwrite: true);
        string temporary = $"{target}.{Environment.ProcessId}.new";
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = File.GetUnixFileMode(target);
        using (var file = new StreamWriter(temporary, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), options))
            file.Write(text);
        File.Move(temporary, target, overwrite: true);
    }

    private static bool IsPlain(string name) =>
        name.Length is > 0 and <= 1100 && name[0] is not ('#' or '@') && !name.AsSpan().ContainsAnyExceptInRange('!', '~') && !name.AsSpan().ContainsAny(Special);

    private static void CreateWhereMissing(string path)
    {
        if (Path.GetDirectoryName(path) is { Length: > 0 } directory && !Directory.Exists(directory) && Directory.Exists(Path.GetDirectoryName(directory)))
        {
            if (OperatingSystem.IsWindows())
                Directory.CreateDirectory(directory);
            else
                Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.Write, Share = FileShare.ReadWrite | FileShare.Delete };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var created = new FileStream(path, options);
    }

    /// <summary>True when the last line has no line end: a new line must not be glued to it.</summary>
    private static bool EndsInMidLine(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (!file.CanSeek || file.Length == 0)
            return false;
        file.Seek(-1, SeekOrigin.End);
        return file.ReadByte() is not ('\n' or -1);
    }

    private static void Write(string path, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        if (OperatingSystem.IsWindows())
        {
            using var file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
            file.Write(bytes);
            return;
        }
        // FileMode.Append only seeks to the end once; O_APPEND makes the kernel do it together with the write.
        using var handle = Open(path, OperatingSystem.IsMacOS() ? 0x1000009 : 0x80401); // O_WRONLY | O_APPEND | O_CLOEXEC
        if (handle.IsInvalid)
            throw new IOException(Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError()));
        nint written = Write(handle, bytes, bytes.Length);
        if (written != bytes.Length)
            throw new IOException(written < 0 ? Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError()) : "the disk is full");
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(SafeFileHandle file, byte[] data, nint count);
}
