using System.Diagnostics;
using Adit.Cli.Diagnostics;
using Adit.Cli.Multiplexing;
using Adit.Ssh;

namespace Adit.Cli.Tests.Multiplexing;

/// <summary>The socket that ControlPath names.</summary>
public sealed class ControlSocketTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("adit-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void It_is_for_its_user_alone_and_leaves_no_other_file()
    {
        var path = Path.Combine(_folder, "master");
        using var listener = ControlSocket.Listen(path);
        Assert.NotNull(listener);
        Assert.Equal([path], Directory.GetFileSystemEntries(_folder));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        using var client = ControlSocket.Connect(path, out var error);
        Assert.NotNull(client);
        Assert.Equal(0, error);
    }

    [Fact]
    public void A_file_that_is_there_stays()
    {
        var path = Path.Combine(_folder, "master");
        File.WriteAllText(path, "somebody's");
        Assert.Null(ControlSocket.Listen(path));
        Assert.Equal([path], Directory.GetFileSystemEntries(_folder));
        Assert.Equal("somebody's", File.ReadAllText(path));
    }

    [Fact]
    public void Nobody_there_is_told_apart_from_nobody_listening()
    {
        var path = Path.Combine(_folder, "master");
        Assert.Null(ControlSocket.Connect(path, out var error));
        Assert.Equal(ControlSocket.NoSuchFile, error);
        ControlSocket.Listen(path)!.Dispose();

        // A program that is just being started here holds what was open here until it runs.
        var started = Stopwatch.GetTimestamp();
        while (ControlSocket.Connect(path, out error) is { } held && Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(30))
        {
            held.Dispose();
            Thread.Yield();
        }

        Assert.Equal(ControlSocket.Refused, error);
    }

    // A folder stands for what cannot be removed: it cannot be by anybody.
    [Fact]
    public void What_cannot_be_removed_stays_and_stops_nobody()
    {
        var path = Path.Combine(_folder, "master");
        Directory.CreateDirectory(path);
        using var log = new LogOutput(_ => { });
        ControlSocket.RemoveStale(path, log);
        Assert.True(Directory.Exists(path));
        ControlSocket.RemoveStale(Path.Combine(_folder, "missing", "master"), log);
    }

    [Fact]
    public void A_path_that_does_not_fit_is_told()
    {
        var path = Path.Combine(_folder, new string('x', 108 - _folder.Length - 1));
        Assert.Equal($"ControlPath too long ('{path}' >= 108 bytes)", Assert.Throws<SshException>(() => ControlSocket.Connect(path, out _)).Message);
        // Its temporary name needs 17 bytes more.
        path = path[..^10];
        Assert.Null(ControlSocket.Connect(path, out _));
        var error = Assert.Throws<SshException>(() => ControlSocket.Listen(path));
        Assert.StartsWith($"ControlPath \"{path}.", error.Message, StringComparison.Ordinal);
        Assert.EndsWith("\" too long for Unix domain socket", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_is_missing_is_told()
    {
        var error = Assert.Throws<SshException>(() => ControlSocket.Listen(Path.Combine(_folder, "missing", "master")));
        Assert.EndsWith(": No such file or directory", error.Message, StringComparison.Ordinal);
    }
}
