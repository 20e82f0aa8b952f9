using Adit.Server.Authentication;
using Adit.Server.Tests.Support;
using Adit.Ssh.Keys;
using static Adit.Ssh.Authentication.AuthenticationDecision;

namespace Adit.Server.Tests.Authentication;

public class AuthorizedKeysTests
{
    private readonly PublicKey _key = Login.NewKey();

    [Fact]
    public async Task A_key_in_the_file_lets_in_and_no_other()
    {
        using var login = new Login();
        login.Authorize("# comment", "", Login.NewKey().ToText("other"), $"\t{_key.ToText("alice@laptop of hers")}\r");
        Assert.IsType<Accepted>(await login.Key(_key, verified: false));
        var accepted = Assert.IsType<Accepted>(await login.Key(_key));
        Assert.Equal(("alice", "publickey"), (accepted.Principal.UserName, accepted.Principal.Method));
        Assert.Same(login.Alice, Assert.IsType<ServerLogin>(accepted.Principal.State).Account);
        Assert.IsType<Denied>(await login.Key(Login.NewKey()));
        Assert.Contains(login.Log.Lines, line => line.EndsWith("authorized_keys:4", StringComparison.Ordinal));
    }

    // INVARIANTS 10: a line that says more than is understood gives nothing, and neither does a malformed one.
    [Theory]
    [InlineData("restrict,no-such-thing {0}")]
    [InlineData("command=\"a\",command=\"b\" {0}")]
    [InlineData("principals=\"alice\" {0}")]
    [InlineData("from=\"10.0.1.0/8\" {0}")]
    [InlineData("permitopen=\"db\" {0}")]
    [InlineData("expiry-time=\"tomorrow\" {0}")]
    [InlineData("command=\"a {0}")]
    [InlineData("unheard-of {0}")]
    [InlineData("x{0}")]
    [InlineData("\"{0}\"")]
    [InlineData("ssh-rsa {0}")]
    [InlineData("ssh-ed25519 {0}")]
    [InlineData("@revoked {0}")]
    [InlineData("#{0}")]
    public async Task A_line_that_is_not_understood_gives_nothing(string line)
    {
        using var login = new Login();
        login.Authorize(string.Format(System.Globalization.CultureInfo.InvariantCulture, line, _key.ToText()));
        Assert.IsType<Denied>(await login.Key(_key));
        if (line[0] != '#')
        {
            Assert.Contains(login.Log.Lines, text => text.Contains("authorized_keys:1: the line for ED25519 SHA256:", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task The_declared_type_must_be_the_keys()
    {
        using var login = new Login();
        login.Authorize(_key.ToText().Replace("ssh-ed25519", "ssh-rsa", StringComparison.Ordinal)); // INVARIANTS 10
        Assert.IsType<Denied>(await login.Key(_key));
    }

    [Fact]
    public async Task Several_files_tokens_and_none()
    {
        using var login = new Login($"AuthorizedKeysFile nowhere %h/keys-of-%u-%U%%");
        login.Write($"keys-of-alice-{login.Alice.Uid}%", _key.ToText());
        Assert.IsType<Accepted>(await login.Key(_key));

        using var none = new Login("AuthorizedKeysFile none");
        none.Authorize(_key.ToText());
        none.Write("none", _key.ToText());
        Assert.IsType<Denied>(await none.Key(_key));
    }

    [Theory]
    [InlineData(".ssh/authorized_keys", "file")]
    [InlineData(".ssh", "directory")]
    [InlineData("", "directory")]
    public async Task StrictModes_refuses_what_others_may_write(string name, string kind)
    {
        using var login = new Login();
        login.Authorize(_key.ToText());
        var path = Path.Combine(login.Home.Path, name).TrimEnd('/');
        File.SetUnixFileMode(path, File.GetUnixFileMode(path) | UnixFileMode.GroupWrite);
        Assert.IsType<Denied>(await login.Key(_key));
        Assert.Contains($"Authentication refused: bad ownership or modes for {kind} {path}", login.Log.Lines);
    }

    [Fact]
    public async Task Without_StrictModes_modes_do_not_count()
    {
        using var login = new Login("StrictModes no");
        File.SetUnixFileMode(login.Authorize(_key.ToText()), (UnixFileMode)0x1b6);
        Assert.IsType<Accepted>(await login.Key(_key));
    }

    [FactNeeding(Need.Root)]
    public async Task StrictModes_refuses_a_file_of_somebody_else()
    {
        using var login = new Login();
        var path = login.Authorize(_key.ToText());
        File.SetUnixFileMode(path, File.GetUnixFileMode(path) | UnixFileMode.OtherRead);
        login.Own(path, 54322);
        Assert.IsType<Denied>(await login.Key(_key));
        Assert.Contains($"Authentication refused: bad ownership or modes for file {path}", login.Log.Lines);
        login.Own(path, 0);
        Assert.IsType<Accepted>(await login.Key(_key));
    }

    [Fact]
    public async Task StrictModes_follows_a_link_to_where_the_file_is()
    {
        using var login = new Login();
        using var open = new TempFolder(); // hers, but in /tmp, where everybody may write
        var real = open.Write("keys", _key.ToText());
        login.Own(open.Path);
        login.Own(real);
        File.CreateSymbolicLink(login.Home[".ssh/authorized_keys"], real);
        Assert.IsType<Denied>(await login.Key(_key));
        Assert.Contains("Authentication refused: bad ownership or modes for directory /tmp", login.Log.Lines);
    }

    [FactNeeding(Need.Root)]
    public async Task Root_opens_the_file_as_the_user()
    {
        using var login = new Login("StrictModes no");
        using var secret = new TempFolder();
        var real = secret.Write("keys", _key.ToText());
        File.SetUnixFileMode(real, UnixFileMode.UserRead);
        File.CreateSymbolicLink(login.Home[".ssh/authorized_keys"], real);
        Assert.IsType<Denied>(await login.Key(_key));
        Assert.Contains(login.Log.Errors, line => line.EndsWith("authorized_keys': Permission denied", StringComparison.Ordinal));
        Assert.Equal(_key.ToText(), File.ReadAllText(real)); // and is root again afterwards
    }

    [Fact]
    public async Task A_pipe_in_place_of_the_file_does_not_hang()
    {
        using var login = new Login();
        var pipe = login.Home[".ssh/authorized_keys"];
        Commands.Run("/usr/bin/mkfifo", "-m", "600", pipe);
        login.Own(pipe);
        Assert.IsType<Denied>(await login.Key(_key).WaitAsync(TimeSpan.FromSeconds(20)));
        Assert.Contains(login.Log.Errors, line => line.Contains("is not a regular file", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Small_rsa_keys_and_other_algorithms_are_refused()
    {
        using var login = new Login("RequiredRSASize 4096\nMatch User alice\nPubkeyAcceptedAlgorithms rsa-sha2-512");
        var rsa = PrivateKey.Generate("rsa", 2048).PublicKey;
        login.Authorize(_key.ToText(), rsa.ToText());
        Assert.IsType<Denied>(await login.Key(_key));
        Assert.IsType<Denied>(await login.Key(rsa));
        Assert.Contains("signature algorithm ssh-ed25519 not in PubkeyAcceptedAlgorithms", login.Log.Lines);
        Assert.Contains("refusing RSA key: Invalid key length (2048 bits, RequiredRSASize 4096)", login.Log.Lines);
    }

    [Theory]
    [InlineData("yes", true)]
    [InlineData("prohibit-password", true)]
    [InlineData("forced-commands-only", false)]
    [InlineData("no", false)]
    public async Task PermitRootLogin_for_keys(string value, bool allowed)
    {
        using var login = new Login($"StrictModes no\nPermitRootLogin {value}");
        login.Users.ProcessUid = 0;
        login.Authorize(_key.ToText());
        Assert.Equal(allowed, await login.Key(_key, user: "root") is Accepted);
        Assert.Equal(!allowed, login.Log.Lines.Contains("ROOT LOGIN REFUSED FROM 10.0.0.7 port 50000"));
    }

    // INVARIANTS 8: somebody who does not exist is treated as somebody who does.
    [Fact]
    public async Task An_unknown_user_is_asked_the_same()
    {
        using var login = new Login();
        login.Authorize(_key.ToText());
        var unknown = Assert.IsType<Denied>(await login.Key(_key, user: "mallory"));
        var known = Assert.IsType<Denied>(await login.Key(Login.NewKey()));
        Assert.Equal(known.Methods, unknown.Methods);
        Assert.True(unknown.UnknownUser);
        Assert.False(known.UnknownUser);
    }

    [Fact]
    public async Task A_server_that_is_not_root_lets_only_its_own_user_in()
    {
        using var login = new Login();
        login.Users.ProcessUid = 77;
        login.Authorize(_key.ToText());
        var denied = Assert.IsType<Denied>(await login.Key(_key));
        Assert.Equal(["publickey"], denied.Methods);
        Assert.Contains(login.Log.Lines, line => line.StartsWith("Passwords cannot be checked (only root can read them)", StringComparison.Ordinal));
        Assert.Contains(login.Log.Lines, line => line.StartsWith("User alice not allowed because this server does not run as root", StringComparison.Ordinal));
    }
}
