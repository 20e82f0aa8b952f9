using System.Globalization;
using System.Security.Cryptography;

namespace Adit.Interop.Tests.Harness;

/// <summary>
/// A user of the machine with a password and a home of its own, made when a test first needs one and removed when the tests end; and another one.
/// Only root can make one.
/// </summary>
internal sealed class TemporaryUser
{
    private const string Prefix = "adit-t";

    private static readonly Lazy<Task<TemporaryUser>> Instance = new(() => CreateAsync("")), OtherInstance = new(() => AfterFirstAsync("b")), PasswordInstance = new(() => AfterFirstAsync("p"));

    private static readonly SemaphoreSlim Authorizing = new(1, 1);

    private readonly List<string> _authorized = [];

    private TemporaryUser(string name, string password, string home) => (Name, Password, Home) = (name, password, home);

    public string Name { get; }

    public string Password { get; }

    public string Home { get; }

    public static async Task<TemporaryUser> GetAsync()
    {
        Need.Root();
        Need.Tools("useradd", "chpasswd", "userdel");
        return await Instance.Value;
    }

    /// <summary>The same one, with the key that tests log in with let in.</summary>
    public static async Task<TemporaryUser> GetAuthorizedAsync()
    {
        TemporaryUser user = await GetAsync();
        await user.AuthorizeAsync(await Keys.UserAsync());
        return user;
    }

    /// <summary>Lets <paramref name="key"/> in, as a user would: by ~/.ssh/authorized_keys with the modes that servers insist on. Other tests log in meanwhile: the keys of
    /// before stay, and the file is at no moment without them.</summary>
    public async Task AuthorizeAsync(KeyPair key)
    {
        await Authorizing.WaitAsync();
        try
        {
            if (_authorized.Contains(key.PublicLine))
            {
                return;
            }

            string folder = Path.Combine(Home, ".ssh"), file = Path.Combine(folder, "authorized_keys"), next = file + ".next";
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            await File.WriteAllLinesAsync(next, [.. _authorized, key.PublicLine]);
            File.SetUnixFileMode(next, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            await RunAsync("chown", "-R", Name + ":", folder);
            File.Move(next, file, overwrite: true);
            _authorized.Add(key.PublicLine);
        }
        finally
        {
            Authorizing.Release();
        }
    }

    /// <summary>Somebody else, with nothing in common with the first.</summary>
    public static Task<TemporaryUser> GetOtherAsync()
    {
        Need.Root();
        return OtherInstance.Value;
    }

    /// <summary>One whose password a test may change: for tests of one class, which do not run at once.</summary>
    public static Task<TemporaryUser> GetForPasswordsAsync()
    {
        Need.Root();
        return PasswordInstance.Value;
    }

    private static async Task<TemporaryUser> AfterFirstAsync(string suffix)
    {
        await Instance.Value; // one at a time: all look for users left behind
        return await CreateAsync(suffix);
    }

    private static async Task<TemporaryUser> CreateAsync(string suffix)
    {
        // One left behind by tests that were killed.
        foreach (string left in File.ReadLines("/etc/passwd").Select(line => line.Split(':')[0]).Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)).ToList())
        {
            if (int.TryParse(left[Prefix.Length..].TrimEnd('b', 'p'), CultureInfo.InvariantCulture, out int owner) && ProcessIdentity.Of(owner) is null)
            {
                await RunAsync("userdel", "-r", "-f", left);
            }
        }

        string name = Prefix + Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + suffix;
        string password = Convert.ToHexString(RandomNumberGenerator.GetBytes(12));
        string home = "/var/lib/" + name; // not below /tmp, which anybody may write into: StrictModes has an opinion on that
        await RunAsync("useradd", "--create-home", "--home-dir", home, "--shell", "/bin/sh", name);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => RunAsync("userdel", "-r", "-f", name).GetAwaiter().GetResult();
        ProcessResult result = await ManagedProcess.RunAsync("chpasswd", Machine.Tool("chpasswd"), [], TimeSpan.FromSeconds(20), input: $"{name}:{password}\n");
        Assert.True(result.ExitCode == 0, "chpasswd: " + result);
        File.SetUnixFileMode(home, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return new TemporaryUser(name, password, home);
    }

    private static async Task RunAsync(string tool, params string[] arguments)
    {
        // userdel grumbles about a missing mail spool and the like: what counts is that the next step works.
        _ = await ManagedProcess.RunAsync(tool, Machine.Tool(tool), arguments, TimeSpan.FromSeconds(20));
    }
}
