using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;
using Adit.Interop.Tests.Services;

namespace Adit.Interop.Tests.Authentication;

/// <summary>Programs, authorities and lists of revoked keys that decide a login, with OpenSSH's client and keys of ssh-keygen.</summary>
public sealed class SshdLoginTests
{
    [Fact]
    public Task A_program_knows_the_keys() => Lab.RunAsync(async lab =>
    {
        Need.That(Machine.IsRoot, "root: the program is run as another user");
        KeyPair key = await Keys.MakeAsync(lab.Folder["key"]);
        string[] lines = ["AuthorizedKeysCommand /usr/bin/echo %t %k", "AuthorizedKeysCommandUser nobody"];
        Server server = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = lines, AuthorizedKeys = [] });
        Assert.Equal(0, (await LogInAsync(lab, server, key.Path)).ExitCode);

        Server without = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = ["AuthorizedKeysCommand /usr/bin/false", "AuthorizedKeysCommandUser nobody"], AuthorizedKeys = [] });
        Assert.Equal(255, (await LogInAsync(lab, without, key.Path)).ExitCode);
        await without.Process.WaitForLineAsync("AuthorizedKeysCommand /usr/bin/false failed, status 1", lab.Deadline);
    });

    [Fact]
    public Task Certificates_count_by_principals_of_files_and_programs() => Lab.RunAsync(async lab =>
    {
        KeyPair authority = await Keys.MakeAsync(lab.Folder["ca"]), key = await Keys.MakeAsync(lab.Folder["key"]);
        await Keys.RunKeygenAsync("-q", "-s", authority.Path, "-I", "the-id", "-n", "web,db", "-z", "7", key.Path + ".pub");
        string trusted = $"TrustedUserCAKeys {authority.Path}.pub";
        Server file = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = [trusted, $"AuthorizedPrincipalsFile {lab.Folder.Write("principals", "db\n")}"], AuthorizedKeys = [] });
        Assert.Equal(0, (await LogInAsync(lab, file, key.Path)).ExitCode);
        await file.Process.WaitForLineAsync("ID the-id (serial 7) CA ED25519 " + authority.Fingerprint, lab.Deadline);

        // Without a list the login name has to be in the certificate.
        Server name = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = [trusted], AuthorizedKeys = [] });
        Assert.Equal(255, (await LogInAsync(lab, name, key.Path)).ExitCode);
        await name.Process.WaitForLineAsync("Certificate invalid: name is not a listed principal", lab.Deadline);

        Server program = await lab.StartServerAsync(Peer.Adit, new ServerOptions
        {
            Lines = [trusted, "AuthorizedPrincipalsCommand /usr/bin/echo web", $"AuthorizedPrincipalsCommandUser {Machine.UserName}"],
            AuthorizedKeys = [],
        });
        Assert.Equal(0, (await LogInAsync(lab, program, key.Path)).ExitCode);
    });

    [Fact]
    public Task Revoked_keys_are_refused_and_an_unreadable_list_refuses_all() => Lab.RunAsync(async lab =>
    {
        KeyPair bad = await Keys.MakeAsync(lab.Folder["bad"]), good = await Keys.MakeAsync(lab.Folder["good"]);
        await Keys.RunKeygenAsync("-q", "-k", "-f", lab.Folder["krl"], bad.Path + ".pub");
        foreach (string list in new[] { lab.Folder["krl"], bad.Path + ".pub" })
        {
            Server server = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = [$"RevokedKeys {list}"], AuthorizedKeys = [bad.PublicLine, good.PublicLine] });
            Assert.Equal(0, (await LogInAsync(lab, server, good.Path)).ExitCode);
            Assert.Equal(255, (await LogInAsync(lab, server, bad.Path)).ExitCode);
            await server.Process.WaitForLineAsync($"revoked by file {list}", lab.Deadline);
        }

        Server blind = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = [$"RevokedKeys {lab.Folder["missing"]}"], AuthorizedKeys = [good.PublicLine] });
        Assert.Equal(255, (await LogInAsync(lab, blind, good.Path)).ExitCode);
    });

    // The runtime's own lock on files it opens would fail here, and a list that cannot be read refuses everybody.
    [Fact]
    public Task A_lock_that_somebody_holds_on_a_file_keeps_nobody_out() => Lab.RunAsync(async lab =>
    {
        KeyPair bad = await Keys.MakeAsync(lab.Folder["bad"]), good = await Keys.MakeAsync(lab.Folder["good"]), authority = await Keys.MakeAsync(lab.Folder["ca"]), key = await Keys.MakeAsync(lab.Folder["key"]);
        await Keys.RunKeygenAsync("-q", "-s", authority.Path, "-I", "id", "-n", Machine.UserName, key.Path + ".pub");
        string revoked = bad.Path + ".pub", trusted = authority.Path + ".pub";
        Server server = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = [$"RevokedKeys {revoked}", $"TrustedUserCAKeys {trusted}"], AuthorizedKeys = [bad.PublicLine, good.PublicLine] });
        foreach (string file in new[] { revoked, trusted })
        {
            ManagedProcess holder = lab.Own(ManagedProcess.Start("flock", Machine.Tool("flock"), ["-x", file, "sh", "-c", "echo held; exec sleep 600"]));
            await holder.WaitForLineAsync("held", lab.Deadline);
        }

        Assert.Equal(0, (await LogInAsync(lab, server, good.Path)).ExitCode);
        Assert.Equal(0, (await LogInAsync(lab, server, key.Path)).ExitCode);
        Assert.Equal(255, (await LogInAsync(lab, server, bad.Path)).ExitCode);
        await server.Process.WaitForLineAsync($"revoked by file {revoked}", lab.Deadline);
    });

    [Fact]
    public Task Rules_for_one_user_count_before_the_login() => Lab.RunAsync(async lab =>
    {
        string banner = lab.Folder.Write("banner", "for you alone\n");
        Server server = await lab.StartServerAsync(Peer.Adit, new ServerOptions { LastLines = ["Match User nobody", "RefuseConnection yes", $"Match User {Machine.UserName}", $"Banner {banner}"] });
        ProcessResult mine = await LogInAsync(lab, server, (await Keys.UserAsync()).Path);
        Assert.Equal(0, mine.ExitCode);
        Assert.Contains("for you alone", mine.Errors);
        ProcessResult other = await LogInAsync(lab, server with { User = "nobody" }, (await Keys.UserAsync()).Path);
        Assert.Equal(255, other.ExitCode);
        Assert.DoesNotContain("Permission denied", other.Errors);
    });

    private static async Task<ProcessResult> LogInAsync(Lab lab, Server server, string identity) =>
        await (await SshdDaemonTests.StartAsync(lab, server, "true", identity: identity)).WaitForExitAsync(lab.Deadline);
}
