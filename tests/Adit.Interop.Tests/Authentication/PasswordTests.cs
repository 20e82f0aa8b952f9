using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Authentication;

/// <summary>Passwords, keyboard-interactive and chains of methods, for a temporary user of the machine (so: as root only).</summary>
public sealed class PasswordTests
{
    [Theory]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.Adit, Peer.Dropbear)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.Adit)]
    public Task Logs_in_with_the_right_password(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAsync();
        await using Service echo = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(server, new ServerOptions { Lines = ["PasswordAuthentication yes"] });
        Client here = await lab.StartClientAsync(
            client, there, WithPassword(lab, user, user.Password) with { Targets = [echo.Port], Arguments = ["-o", "PreferredAuthentications=password"] });
        await Traffic.EchoAsync(here.Port, 1000, lab.Deadline);
    });

    [Theory]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.Adit)]
    public Task Refuses_a_wrong_password(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAsync();
        Server there = await lab.StartServerAsync(server, new ServerOptions { Lines = ["PasswordAuthentication yes"] });
        ProcessResult result = await lab.RunSshAsync(
            client, there, WithPassword(lab, user, user.Password + "x") with { Arguments = ["-o", "PreferredAuthentications=password"] });
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("Permission denied, please try again.", result.ErrorLines);
        Assert.StartsWith($"{user.Name}@127.0.0.1: Permission denied (", result.ErrorLines.First(line => line.Contains('(')), StringComparison.Ordinal);
    });

    [Theory]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.Adit)]
    public Task Logs_in_by_keyboard_interactive(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAsync();
        Need.That(server != Peer.OpenSsh || File.Exists("/etc/pam.d/sshd"), "PAM"); // OpenSSH has this method through PAM alone
        await using Service echo = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(
            server,
            new ServerOptions
            {
                Lines = ["UsePAM yes", "KbdInteractiveAuthentication yes", "PasswordAuthentication no"],
            });
        Client here = await lab.StartClientAsync(
            client,
            there,
            WithPassword(lab, user, user.Password) with { Targets = [echo.Port], Arguments = ["-o", "PreferredAuthentications=keyboard-interactive"] });
        await Traffic.EchoAsync(here.Port, 1000, lab.Deadline);
    });

    [Theory]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.Adit)]
    public Task Goes_through_a_chain_of_methods(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAsync();
        KeyPair key = await Keys.UserAsync();
        await user.AuthorizeAsync(key); // the lab's own file is nothing that this user may read
        await using Service echo = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(
            server,
            new ServerOptions
            {
                Lines = ["AuthenticationMethods publickey,password", "PasswordAuthentication yes", "AuthorizedKeysFile .ssh/authorized_keys"],
            });
        Client here = await lab.StartClientAsync(
            client, there, WithPassword(lab, user, user.Password) with { Identity = key.Path, Targets = [echo.Port] });
        await Traffic.EchoAsync(here.Port, 1000, lab.Deadline);

        // Either half alone opens nothing.
        ProcessResult keyOnly = await lab.RunSshAsync(client, there, new ClientOptions { Identity = key.Path, User = user.Name });
        Assert.Equal(255, keyOnly.ExitCode);
        Assert.Contains($"{user.Name}@127.0.0.1: Permission denied (password).", keyOnly.ErrorLines);
        ProcessResult passwordOnly = await lab.RunSshAsync(
            client, there, WithPassword(lab, user, user.Password) with { Arguments = ["-o", "PubkeyAuthentication=no"] });
        Assert.Equal(255, passwordOnly.ExitCode);
        Assert.Contains($"{user.Name}@127.0.0.1: Permission denied (publickey).", passwordOnly.ErrorLines);
    });

    // The file in the user's own home, with the modes that StrictModes insists on; then one mode too many.
    [Theory]
    [InlineData(Peer.OpenSsh, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    public Task Strict_modes_look_at_who_may_write(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAsync();
        KeyPair key = await Keys.MakeAsync(lab.Folder["strict"]);
        string home = Directory.CreateDirectory(Path.Combine(user.Home, $"strict-{server}")).FullName;
        string file = Path.Combine(home, "authorized_keys");
        await File.WriteAllTextAsync(file, key.PublicLine + "\n");
        await lab.MustAsync(Machine.Tool("chown"), "-R", user.Name + ":", home);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);

        await using Service echo = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(server, new ServerOptions { Lines = ["StrictModes yes", $"AuthorizedKeysFile {file}"] });
        Client here = await lab.StartClientAsync(
            client, there, new ClientOptions { User = user.Name, Identity = key.Path, Targets = [echo.Port] });
        await Traffic.EchoAsync(here.Port, 1000, lab.Deadline);

        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherWrite);
        ProcessResult result = await lab.RunSshAsync(client, there, new ClientOptions { User = user.Name, Identity = key.Path });
        Assert.Equal(255, result.ExitCode);
        await there.Process.WaitForLineAsync($"Authentication refused: bad ownership or modes for file {file}", lab.Deadline);
    });

    private static ClientOptions WithPassword(Lab lab, TemporaryUser user, string password) => new()
    {
        User = user.Name,
        Identity = "",
        BatchMode = false,
        Environment = KeyTests.AskPass(lab.Folder.WriteAskPass("askpass", password)),
        Arguments = [],
    };
}
