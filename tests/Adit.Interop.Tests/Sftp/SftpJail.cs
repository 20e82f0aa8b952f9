using Adit.Interop.Tests.Harness;

namespace Adit.Interop.Tests.Sftp;

/// <summary>A root folder for SFTP as manuals have it: root's from the top down, nothing inside but a folder that the user may write to.</summary>
internal sealed class SftpJail : IAsyncDisposable
{
    private SftpJail(string path) => Path = path;

    public string Path { get; }

    /// <summary>The user's folder inside, seen from outside.</summary>
    public string this[string name] => System.IO.Path.Combine(Path, "up", name);

    public static async Task<SftpJail> CreateAsync(Lab lab, TemporaryUser user)
    {
        var jail = lab.Own(new SftpJail($"/var/lib/adit-sftp-{Guid.NewGuid():N}"));
        const UnixFileMode forAll = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        Directory.CreateDirectory(jail.Path, forAll);
        Directory.CreateDirectory(jail["."], forAll);
        await lab.MustAsync(Machine.Tool("chown"), user.Name + ":", jail["."]);
        return jail;
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(Path, recursive: true);
        return ValueTask.CompletedTask;
    }
}
