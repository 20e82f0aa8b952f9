namespace Adit.Bench.Machine;

/// <summary>Where a run lives: a folder of its own below the temporary one, keys made for it, and the programs it measures.</summary>
internal sealed class Lab : IDisposable
{
    public Lab()
    {
        Folder = Directory.CreateTempSubdirectory("adit-bench-").FullName;
        try
        {
            Ssh = Tool("ssh");
            Sshd = Tool("sshd");
            Adit = FindAdit();
            UserKey = MakeKey("user");
            HostKey = MakeKey("host");
            HostKeyLine = string.Join(' ', File.ReadAllText(HostKey + ".pub").Split(' ').Take(2));
            AuthorizedKeys = Write("authorized_keys", File.ReadAllText(UserKey + ".pub"));
            if (Environment.UserName == "root")
                Directory.CreateDirectory("/run/sshd"); // where its unprivileged half lives; the package's service makes it
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Folder { get; }

    public string Ssh { get; }

    public string Sshd { get; }

    public string Adit { get; }

    /// <summary>The private key's file.</summary>
    public string UserKey { get; }

    public string HostKey { get; }

    /// <summary>Type and blob, as known_hosts has them.</summary>
    public string HostKeyLine { get; }

    public string AuthorizedKeys { get; }

    public string Write(string name, string text)
    {
        string path = Path.Combine(Folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    public void Dispose()
    {
        try
        {
            Directory.Delete(Folder, recursive: true);
        }
        catch (IOException)
        {
            // Not worth a run's results.
        }
    }

    private static string Tool(string name)
    {
        string path = Environment.GetEnvironmentVariable("PATH") ?? "";
        foreach (string folder in (string[])["/usr/bin", "/usr/sbin", .. path.Split(':')])
        {
            string file = Path.Combine(folder, name);
            if (folder.Length > 0 && File.Exists(file))
                return file;
        }

        throw new FileNotFoundException($"{name} is not installed: the benchmarks run OpenSSH beside Adit (Debian, Ubuntu: apt-get install openssh-client openssh-server)");
    }

    /// <summary>ADIT_EXE, or out/adit in the repository around the current folder or this program.</summary>
    private static string FindAdit()
    {
        if (Environment.GetEnvironmentVariable("ADIT_EXE") is { Length: > 0 } given)
            return File.Exists(given) ? Path.GetFullPath(given) : throw new FileNotFoundException($"ADIT_EXE names no file: {given}");
        return Path.Combine(Repository.Root, "out", "adit") is var built && File.Exists(built)
            ? built
            : throw new FileNotFoundException($"{built} is missing: ./adit --build-only builds it");
    }

    private string MakeKey(string name)
    {
        string path = Path.Combine(Folder, name);
        ChildProcess.Run(Tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "adit bench", "-f", path);
        return path;
    }
}
