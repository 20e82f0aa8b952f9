namespace Adit.Ssh.OpenSsh;

/// <summary>The local accounts' home directories. Like OpenSSH this goes by the account and not by $HOME, which whoever starts us may set at will.</summary>
internal static class LocalUser
{
    private static readonly Lazy<string> OwnHome = new(() =>
        HomeOf(Environment.UserName) ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile));

    public static string Home => OwnHome.Value;

    /// <summary>A path below the home directory.</summary>
    public static string InHome(string path) => Path.Combine(Home, path);

    /// <summary>The home directory of an account, or of the current one for an empty name; null where there is no such account.</summary>
    public static string? HomeOf(string user)
    {
        if (user.Length == 0)
            return Home;
        try
        {
            if (OperatingSystem.IsWindows() || !File.Exists("/etc/passwd"))
                return null;
            foreach (string line in File.ReadLines("/etc/passwd"))
            {
                // name:password:uid:gid:comment:home:shell
                string[] fields = line.Split(':');
                if (fields.Length >= 6 && fields[0] == user && fields[5].Length > 0)
                    return fields[5];
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Then the account is as good as unknown.
        }
        return null;
    }

    /// <summary>"~/x" for a path below the home directory, as messages show it.</summary>
    public static string WithTilde(string path)
    {
        string home = Home.TrimEnd('/') + "/";
        return home.Length > 1 && path.StartsWith(home, StringComparison.Ordinal) ? "~/" + path[home.Length..] : path;
    }
}
