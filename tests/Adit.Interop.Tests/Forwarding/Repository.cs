using Adit.Interop.Tests.Harness;

namespace Adit.Interop.Tests.Forwarding;

/// <summary>Something to clone.</summary>
internal static class Repository
{
    /// <summary>Makes repo.git in <paramref name="folder"/>, fit for git-daemon and for any web server. Returns the working copy that it was made of.</summary>
    public static async Task<string> CreateAsync(Lab lab, string folder)
    {
        await Route.ShellAsync(lab, $"""
            cd {folder} && git init -q work && cd work && seq 100000 > numbers && git add . &&
            git -c user.name=t -c user.email=t@t commit -qm one && git clone -q --bare . ../repo.git && cd ../repo.git && git update-server-info
            """);
        return Path.Combine(folder, "work");
    }
}
