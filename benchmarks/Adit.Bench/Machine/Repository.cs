namespace Adit.Bench.Machine;

/// <summary>The checkout that this program was built from.</summary>
internal static class Repository
{
    /// <summary>The nearest folder upwards, of this program or the current one, that holds the solution.</summary>
    public static string Root { get; } = Find(AppContext.BaseDirectory) ?? Find(Environment.CurrentDirectory)
        ?? throw new DirectoryNotFoundException("Adit.slnx is nowhere above this program or the current folder");

    /// <summary>The commit, with a plus sign when files differ from it; empty outside of git.</summary>
    public static string Commit()
    {
        try
        {
            string commit = ChildProcess.Run("git", "-C", Root, "rev-parse", "--short", "HEAD").Trim();
            string changes = ChildProcess.Run("git", "-C", Root, "status", "--porcelain", "--", "src");
            return changes.Trim().Length == 0 ? commit : commit + "+";
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return "";
        }
    }

    private static string? Find(string start)
    {
        for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Adit.slnx")))
                return folder.FullName;
        }

        return null;
    }
}
