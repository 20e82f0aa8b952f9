using Adit.Interop.Tests.Harness;

namespace Adit.Interop.Tests.Packaging;

/// <summary>The Debian package, made from the program under test, unpacked beside the system and run from there.</summary>
[Collection(Alone.Name)] // one installs in a copy of this machine, which is laid over it: nothing may change below
public sealed class PackageTests : IClassFixture<PackageTests.BuiltPackage>
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);

    private readonly BuiltPackage _package;

    public PackageTests(BuiltPackage package)
    {
        Need.Tools("dpkg-deb", "dpkg");
        _package = package;
    }

    [Fact]
    public async Task HoldsProgramPagesCompletionAndServices()
    {
        var list = await RunAsync("dpkg-deb", ["-c", await _package.FileAsync()]);
        string[] wanted =
        [
            "./usr/bin/adit -> ../lib/adit/adit", "./usr/lib/adit/adit", "./usr/lib/adit/bin/ssh -> ../adit", "./usr/share/man/man1/adit.1.gz",
            "./usr/share/man/man1/adit-ssh.1.gz", "./usr/share/man/man1/adit-keygen.1.gz", "./usr/share/man/man8/adit-sshd.8.gz", "./usr/share/man/man5/adit-sshd_config.5.gz",
            "./usr/share/bash-completion/completions/adit", "./usr/share/zsh/vendor-completions/_adit", "./usr/share/fish/vendor_completions.d/adit.fish",
            "./lib/systemd/system/adit-sshd.service", "./lib/systemd/system/adit-gateway.service", "./etc/adit/sshd_config", "./usr/share/doc/adit/copyright",
        ];
        Assert.All(wanted, name => Assert.Contains(name + "\n", list, StringComparison.Ordinal));
        Assert.DoesNotContain(list.Split('\n'), line => line.Length > 0 && !line.Contains(" root/root ", StringComparison.Ordinal));
        Assert.DoesNotContain("multi-user.target.wants", list, StringComparison.Ordinal); // nothing is enabled

        var control = await RunAsync("dpkg-deb", ["-f", await _package.FileAsync()]);
        Assert.Contains(Machine.IsNative ? "\nDepends: libc6, libssl3 " : "\nDepends: dotnet-runtime-10.0, ", control, StringComparison.Ordinal);
        Assert.Equal(!Machine.IsNative, list.Contains("./usr/lib/adit/adit.dll\n", StringComparison.Ordinal));
        Assert.Equal(["/etc/adit/gateway_config", "/etc/adit/gateway_keys", "/etc/adit/sshd_config"],
            (await RunAsync("dpkg-deb", ["-I", await _package.FileAsync(), "conffiles"])).Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task RunsFromWhereItIsInstalled()
    {
        var root = await _package.RootAsync();
        var adit = Path.Combine(root, "usr/bin/adit");
        Assert.Contains("adit ", await RunAsync(adit, ["--version"]), StringComparison.Ordinal);

        // Through the link that stands in for ssh it is ssh.
        var query = await RunAsync(Path.Combine(root, "usr/lib/adit/bin/ssh"), ["-Q", "cipher"]);
        Assert.Contains("aes256-gcm@openssh.com\n", query, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sshd_config")]
    [InlineData("gateway_config")]
    public async Task ItsConfigurationIsGood(string name)
    {
        var root = await _package.RootAsync();
        using var folder = new TempFolder();
        var adit = Path.Combine(root, "usr/bin/adit");
        await RunAsync(adit, ["keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder["key"]]);
        var result = await ManagedProcess.RunAsync("adit", adit, ["sshd", "-t", "-h", folder["key"], "-f", Path.Combine(root, "etc/adit", name)], Deadline);
        Assert.Equal(0, result.ExitCode);
        Assert.DoesNotContain("Bad configuration option", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GatewayForwardsNowhereAtFirst()
    {
        var config = await File.ReadAllTextAsync(Path.Combine(await _package.RootAsync(), "etc/adit/gateway_config"));
        using var folder = new TempFolder();
        var adit = Path.Combine(await _package.RootAsync(), "usr/bin/adit");
        await RunAsync(adit, ["keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder["key"]]);
        var inForce = await RunAsync(adit, ["sshd", "-T", "-o", "MaxSessions=0", "-h", folder["key"], "-f", folder.Write("config", config)]);
        Assert.Contains("\nMaxSessions 0\n", config, StringComparison.Ordinal);
        Assert.Contains("\npermitopen none\n", "\n" + inForce, StringComparison.Ordinal);
        Assert.Contains("\npermitlisten none\n", "\n" + inForce, StringComparison.Ordinal);
        Assert.Contains("\npasswordauthentication no\n", "\n" + inForce, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("adit-sshd.service")]
    [InlineData("adit-gateway.service")]
    public async Task SystemdReadsTheUnits(string unit)
    {
        Need.Tools("systemd-analyze");
        var root = await _package.RootAsync();
        using var folder = new TempFolder();

        // The unit with paths of the unpacked package: what verify looks for has to be there.
        var text = await File.ReadAllTextAsync(Path.Combine(root, "lib/systemd/system", unit));
        var file = folder.Write(unit, text.Replace("/usr/bin/adit", Path.Combine(root, "usr/bin/adit"), StringComparison.Ordinal));
        var result = await ManagedProcess.RunAsync("systemd-analyze", Machine.Tool("systemd-analyze"), ["verify", "--man=no", file], Deadline);
        Assert.DoesNotContain(result.Errors.Split('\n'), line => line.Contains(unit, StringComparison.Ordinal));
    }

    [Fact]
    public async Task SystemdFindsTheGatewayWellShutIn()
    {
        Need.Tools("systemd-analyze");
        var unit = Path.Combine(await _package.RootAsync(), "lib/systemd/system/adit-gateway.service");
        var result = await ManagedProcess.RunAsync("systemd-analyze", Machine.Tool("systemd-analyze"), ["security", "--no-pager", "--offline=yes", "--threshold=25", unit], Deadline);
        Need.That(!result.Errors.Contains("Failed to", StringComparison.Ordinal), "a systemd-analyze that reads unit files by itself: " + result.Errors);
        Assert.Equal(0, result.ExitCode); // at most 2.5 of 10, where 10 is open to everything
    }

    // Installed in a copy of this machine, twice, with its ports taken; removed, which keeps what is people's; purged, which leaves nothing.
    [Fact]
    public async Task InstallsAndGoesAwayAgain()
    {
        Need.Root();
        Need.Tools("unshare", "mount", "adduser", "python3");
        using var scratch = new TempFolder();
        var script = Path.Combine(Machine.Root, "tests", "Adit.Interop.Tests", "Packaging", "install.sh");
        var result = await ManagedProcess.RunAsync("install.sh", script, [await _package.FileAsync(), scratch.FullPath], TimeSpan.FromSeconds(180));
        Need.That(!result.Output.StartsWith("cannot: ", StringComparison.Ordinal), "file systems laid over each other");
        Assert.True(result.Output == "done\n", result.ToString());
    }

    private static async Task<string> RunAsync(string tool, string[] arguments)
    {
        var result = await ManagedProcess.RunAsync(tool, tool.StartsWith('/') ? tool : Machine.Tool(tool), arguments, Deadline);
        Assert.True(result.ExitCode == 0, result.ToString());
        return result.Output;
    }

    /// <summary>Built once for all tests, when the first one asks.</summary>
    public sealed class BuiltPackage : IDisposable
    {
        private readonly TempFolder _folder = new();
        private readonly Lazy<Task<string>> _file;
        private readonly Lazy<Task<string>> _root;

        public BuiltPackage()
        {
            _file = new(BuildAsync);
            _root = new(UnpackAsync);
        }

        public Task<string> FileAsync() => _file.Value;

        public Task<string> RootAsync() => _root.Value;

        public void Dispose() => _folder.Dispose();

        private async Task<string> BuildAsync()
        {
            var output = await RunAsync(Path.Combine(Machine.Root, "package"), ["--from", Path.GetDirectoryName(Machine.Adit)!, "--output", _folder.FullPath]);
            return output.Trim();
        }

        private async Task<string> UnpackAsync()
        {
            await RunAsync("dpkg-deb", ["-x", await FileAsync(), _folder["root"]]);
            return _folder["root"];
        }
    }
}
