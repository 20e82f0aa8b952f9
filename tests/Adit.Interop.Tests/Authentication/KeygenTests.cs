using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Authentication;

/// <summary>Keys that <c>adit keygen</c> makes are OpenSSH's keys.</summary>
public sealed class KeygenTests
{
    [Theory]
    [InlineData("ed25519", "", "")]
    [InlineData("ed25519", "", "a passphrase")]
    [InlineData("rsa", "2048", "")]
    [InlineData("ecdsa", "256", "")]
    [InlineData("ecdsa", "384", "a passphrase")]
    [InlineData("ecdsa", "521", "")]
    public Task OpenSSH_reads_the_keys_we_make(string type, string bits, string passphrase) => Lab.RunAsync(async lab =>
    {
        string path = lab.Folder["id"];
        await lab.MustAsync(
            Machine.Adit,
            ["keygen", "-q", "-t", type, .. bits.Length > 0 ? ["-b", bits] : Array.Empty<string>(), "-N", passphrase, "-C", "me@here", "-f", path]);
        UnixFileMode mode = File.GetUnixFileMode(path);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, mode);

        string publicLine = (await File.ReadAllTextAsync(path + ".pub")).Trim();
        string derived = (await Keys.RunKeygenAsync("-y", "-P", passphrase, "-f", path)).Trim();
        Assert.Equal(publicLine, derived);
        Assert.EndsWith(" me@here", publicLine, StringComparison.Ordinal);

        // And OpenSSH's client logs in with them.
        await using Service echo = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(Peer.OpenSsh, new ServerOptions { AuthorizedKeys = [publicLine] });
        Client here = await lab.StartClientAsync(
            Peer.OpenSsh,
            there,
            new ClientOptions
            {
                Identity = path,
                BatchMode = passphrase.Length == 0,
                Environment = KeyTests.AskPass(lab.Folder.WriteAskPass("askpass", passphrase)),
                Targets = [echo.Port],
            });
        await Traffic.EchoAsync(here.Port, 100, lab.Deadline);
    });
}
