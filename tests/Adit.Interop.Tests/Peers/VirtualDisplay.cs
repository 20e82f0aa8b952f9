using System.Globalization;
using System.Security.Cryptography;
using Adit.Interop.Tests.Harness;

namespace Adit.Interop.Tests.Peers;

/// <summary>An X server without a screen (Xvfb) that belongs to one test: on a free display, over a Unix socket alone, and only for who has its cookie.</summary>
internal sealed class VirtualDisplay
{
    private readonly Lab _lab;

    private VirtualDisplay(Lab lab, ManagedProcess process, int number, string cookie, string authorityFile)
    {
        (_lab, Process, Number, Cookie, AuthorityFile) = (lab, process, number, cookie, authorityFile);
        Environment = new Dictionary<string, string?> { ["DISPLAY"] = Name, ["XAUTHORITY"] = authorityFile };
    }

    public ManagedProcess Process { get; }

    /// <summary>N of ":N".</summary>
    public int Number { get; }

    /// <summary>What DISPLAY names it.</summary>
    public string Name => string.Create(CultureInfo.InvariantCulture, $":{Number}");

    /// <summary>The MIT-MAGIC-COOKIE-1 that it takes, in hex.</summary>
    public string Cookie { get; }

    /// <summary>A file with that cookie for this display, as XAUTHORITY names it.</summary>
    public string AuthorityFile { get; }

    /// <summary>DISPLAY and XAUTHORITY, for programs that shall find it.</summary>
    public Dictionary<string, string?> Environment { get; }

    /// <summary>Starts one and waits until it takes connections.</summary>
    /// <param name="lab">The test, which ends it.</param>
    /// <param name="screens">How many screens (":N.S") it has, each 640 by 480 and black.</param>
    public static async Task<VirtualDisplay> StartAsync(Lab lab, int screens = 1)
    {
        Need.Tools("Xvfb", "xauth", "xdpyinfo", "xwininfo");
        string id = Guid.NewGuid().ToString("N")[..8];
        string cookie = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

        // The server takes the cookies of its file whatever display they are for, and tells its number when it has one.
        string own = lab.Folder[$"Xvfb.{id}"];
        await AuthorizeAsync(lab, own, ":0", cookie);
        string[] each = [.. Enumerable.Range(0, screens).SelectMany(screen => new[] { "-screen", Daemons.Text(screen), "640x480x24" })];
        ManagedProcess process = lab.Start("Xvfb", Machine.Tool("Xvfb"), ["-displayfd", "1", "-auth", own, "-nolisten", "tcp", "-noreset", "-br", .. each]);
        await Net.WaitUntilAsync(() => process.Output.EndsWith('\n') || process.HasExited, "Xvfb tells its display", TimeSpan.FromSeconds(60));
        int number = int.Parse(process.Output, NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture);
        string file = lab.Folder[$"Xauthority.{id}"];
        await AuthorizeAsync(lab, file, string.Create(CultureInfo.InvariantCulture, $":{number}"), cookie);
        return new VirtualDisplay(lab, process, number, cookie, file);
    }

    /// <summary>A file of cookies as another would have it: with <paramref name="cookie"/> for this display, right or not.</summary>
    public async Task<string> AuthorityFileAsync(string cookie)
    {
        string file = _lab.Folder[$"Xauthority.{Guid.NewGuid():N}"];
        await AuthorizeAsync(_lab, file, Name, cookie);
        return file;
    }

    /// <summary>Runs a program on the display.</summary>
    public Task<ProcessResult> RunAsync(string tool, params string[] arguments) => _lab.RunAsync(tool, Machine.Tool(tool), arguments, Environment);

    /// <summary>All windows, as <c>xwininfo -root -tree</c> lists them.</summary>
    public async Task<string> WindowsAsync()
    {
        while (true)
        {
            ProcessResult result = await RunAsync("xwininfo", "-root", "-tree");
            if (result.ExitCode == 0)
            {
                return result.Output;
            }

            // It asks for each window by itself, and fails when one goes between its place in the list and that.
            Assert.True(result.ToString().Contains("Bad Window", StringComparison.Ordinal), "xwininfo: " + result);
            _lab.Deadline.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Waits until there is a window whose line in the list contains <paramref name="text"/>, its title in quotes for instance, and returns that line.</summary>
    public async Task<string> WaitForWindowAsync(string text)
    {
        while (true)
        {
            if ((await WindowsAsync()).Split('\n').FirstOrDefault(line => line.Contains(text, StringComparison.Ordinal)) is { } found)
            {
                return found.Trim();
            }

            await Task.Delay(50, _lab.Deadline);
        }
    }

    /// <summary>Waits until no window's line contains <paramref name="text"/>.</summary>
    public async Task WaitForNoWindowAsync(string text)
    {
        while ((await WindowsAsync()).Contains(text, StringComparison.Ordinal))
        {
            await Task.Delay(50, _lab.Deadline);
        }
    }

    /// <summary>A picture of the screen, taken by ImageMagick: how many colours it has. One that shows nothing has one.</summary>
    public async Task<int> ColoursAsync(int screen = 0)
    {
        Need.Tools("import", "identify");
        string file = _lab.Folder[$"screen.{Guid.NewGuid():N}.png"];
        ProcessResult shot = await _lab.RunAsync("import", Machine.Tool("import"), ["-display", string.Create(CultureInfo.InvariantCulture, $"{Name}.{screen}"), "-window", "root", file], Environment);
        Assert.True(shot.ExitCode == 0, "import: " + shot);
        return int.Parse(await _lab.MustAsync(Machine.Tool("identify"), "-format", "%k", file), CultureInfo.InvariantCulture);
    }

    /// <summary>Waits until the screen shows something.</summary>
    public async Task WaitForPictureAsync(int screen = 0)
    {
        while (await ColoursAsync(screen) < 2)
        {
            await Task.Delay(50, _lab.Deadline);
        }
    }

    private static async Task AuthorizeAsync(Lab lab, string file, string display, string cookie)
    {
        ProcessResult result = await lab.RunAsync("xauth", Machine.Tool("xauth"), ["-q", "-f", file, "add", display, "MIT-MAGIC-COOKIE-1", cookie]);
        Assert.True(File.Exists(file), "xauth: " + result);
    }
}
