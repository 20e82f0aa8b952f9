using System.Text;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;

namespace Adit.Cli.Commands;

/// <summary>-F and -R: finds a host's lines in known_hosts, and takes them out. Names that are hashed are found too.</summary>
internal static class KeygenKnownHosts
{
    /// <summary>-F. Exit code 1 when the host is not there, as scripts expect.</summary>
    public static ValueTask<int> FindAsync(KeygenOptions options, IKeygenDialog dialog)
    {
        string file = FileOf(options);
        string[] lines = ReadLines(file);
        var entries = KnownHosts.Load([file], options.Host).Entries;
        foreach (var entry in entries.Where(e => e.Line <= lines.Length))
        {
            string marker = entry.Marker switch
            {
                KnownHostsMarker.CertAuthority => "CA",
                KnownHostsMarker.Revoked => "REVOKED",
                _ => "",
            };
            if (!options.Quiet)
            {
                dialog.Write($"# Host {options.Host} found: line {entry.Line} {marker}\n");
            }

            string line = Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(lines[entry.Line - 1]));
            dialog.Write(PeerText.Escape(line.TrimEnd('\r'), 64 * 1024) + "\n");
        }

        return ValueTask.FromResult(entries.Count > 0 ? ExitCode.Success : ExitCode.Failure);
    }

    /// <summary>-R. Lines with a marker stay. What was there is kept beside it, as file.old.</summary>
    public static ValueTask<int> RemoveAsync(KeygenOptions options, IKeygenDialog dialog)
    {
        string file = FileOf(options);
        string[] lines = ReadLines(file);
        var removed = KnownHosts.Load([file], options.Host).Entries.Where(e => e.Marker == KnownHostsMarker.None).Select(e => e.Line).ToHashSet();
        if (removed.Count == 0)
        {
            dialog.WriteError($"Host {options.Host} not found in {file}\n");
            return ValueTask.FromResult(ExitCode.Success);
        }

        Replace(file, string.Join('\n', lines.Where((_, index) => !removed.Contains(index + 1))));
        if (!options.Quiet)
        {
            foreach (int line in removed)
            {
                dialog.Write($"# Host {options.Host} found: line {line}\n");
            }

            dialog.Write($"{file} updated.\nOriginal contents retained as {file}.old\n");
        }

        return ValueTask.FromResult(ExitCode.Success);
    }

    private static string FileOf(KeygenOptions options) => options.File ?? Path.Combine(KeygenFiles.SshFolder, "known_hosts");

    /// <summary>Latin-1, so that bytes that are no UTF-8 come out again as they went in.</summary>
    private static string[] ReadLines(string file)
    {
        try
        {
            return File.ReadAllText(file, Encoding.Latin1).Split('\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KeygenRefusal($"Cannot stat {file}: {FileErrors.Describe(e)}");
        }
    }

    /// <summary>Writes a new file beside the old one, with its mode, and puts it in its place: nobody reads a half of it.</summary>
    private static void Replace(string file, string content)
    {
        string fresh = $"{file}.{Path.GetRandomFileName()}";
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = File.GetUnixFileMode(file);
            }

            using (var stream = new FileStream(fresh, options))
            {
                stream.Write(Encoding.Latin1.GetBytes(content));
            }

            File.Copy(file, file + ".old", overwrite: true);
            File.Move(fresh, file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            File.Delete(fresh);
            throw new KeygenRefusal($"{file} could not be updated: {FileErrors.Describe(e)}");
        }
    }
}
