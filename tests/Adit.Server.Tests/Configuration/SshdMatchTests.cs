using Adit.Server.Configuration;
using Adit.Server.Tests.Support;
using Adit.Ssh;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Tests.Configuration;

public class SshdMatchTests
{
    private static readonly MatchContext Alice = new()
    {
        UserName = "alice",
        Groups = () => ["users", "wheel"],
        Address = "10.1.2.3",
        Host = "10.1.2.3",
        LocalAddress = "127.0.0.1",
        LocalPort = 22,
        Version = "SSH-2.0-OpenSSH_9.2",
    };

    [Fact]
    public void A_matching_block_goes_before_the_global_part_and_the_first_block_before_later_ones()
    {
        var config = SshdConfig.Parse("""
            PasswordAuthentication yes
            AllowUsers everyone
            PermitOpen any
            Match User alice
                PasswordAuthentication no
                AllowUsers alice
            Match User bob,alice
                PasswordAuthentication yes
                PermitOpen db:5432
            """);
        Assert.True(config.Get(K.PasswordAuthentication));
        var alice = config.For(Alice);
        Assert.False(alice.Get(K.PasswordAuthentication));
        Assert.Equal(["alice"], alice.Get(K.AllowUsers)); // replaces the global list
        Assert.Equal("db:5432", alice.Get(K.PermitOpen).ToString());
        Assert.True(config.For(Alice with { UserName = "carol" }).Get(K.PasswordAuthentication));
    }

    [Theory]
    [InlineData("User alice", true)]
    [InlineData("User=alice", true)]
    [InlineData("User al*", true)]
    [InlineData("User Alice", false)]
    [InlineData("User *,!alice", false)]
    [InlineData("Group wheel", true)]
    [InlineData("Group *,!wheel", false)]
    [InlineData("Group staff", false)]
    [InlineData("Address 10.0.0.0/8", true)]
    [InlineData("Address 10.0.0.0/8,!10.1.2.3", false)]
    [InlineData("Address 10.1.*", true)]
    [InlineData("Address ::/0", false)]
    [InlineData("LocalAddress 127.0.0.1 LocalPort 22", true)]
    [InlineData("LocalPort 23", false)]
    [InlineData("User alice Address 192.168.0.0/16", false)]
    [InlineData("all", true)]
    [InlineData("Invalid-User", false)]
    [InlineData("Version SSH-2.0-OpenSSH_*", true)]
    public void Criteria(string criteria, bool expected)
    {
        var config = SshdConfig.Parse($"Match {criteria}\nPermitRootLogin no");
        Assert.Equal(expected, config.For(Alice).Get(K.PermitRootLogin) == RootLogin.No);
        Assert.NotEqual(RootLogin.No, config.Get(K.PermitRootLogin));
    }

    [Fact]
    public void Without_a_socket_no_network_matches()
    {
        var config = SshdConfig.Parse("Match Address 0.0.0.0/0,::/0\nPermitRootLogin yes");
        Assert.NotEqual(RootLogin.Yes, config.For(Alice with { Address = "UNKNOWN" }).Get(K.PermitRootLogin));
    }

    [Fact]
    public void Includes_are_read_where_they_stand_and_their_blocks_end_with_them()
    {
        using var folder = new TempFolder();
        folder.Write("d/20.conf", "PermitRootLogin no\nStrictModes no");
        folder.Write("d/10.conf", "PermitRootLogin yes\nMatch User alice\nPasswordAuthentication no");
        folder.Write("d/.hidden.conf", "Nonsense");
        var main = folder.Write("main", $"Include {folder.Path}/d/*.conf {folder.Path}/none/*\nMaxAuthTries 3\nUsePAM yes");
        var config = SshdConfig.Load(main);
        Assert.Equal(RootLogin.Yes, config.Get(K.PermitRootLogin)); // 10.conf comes first
        Assert.False(config.Get(K.StrictModes));
        Assert.Equal(3, config.Get(K.MaxAuthTries)); // not inside alice's block
        Assert.True(config.Get(K.PasswordAuthentication));
        Assert.False(config.For(Alice).Get(K.PasswordAuthentication));
    }

    [Fact]
    public void An_include_in_a_block_belongs_to_the_block()
    {
        using var folder = new TempFolder();
        var inner = folder.Write("inner", "PasswordAuthentication no\nMatch all\nPermitRootLogin yes");
        var config = SshdConfig.Parse($"Match User bob\nInclude {inner}");
        var alice = config.For(Alice);
        Assert.True(alice.Get(K.PasswordAuthentication));
        Assert.NotEqual(RootLogin.Yes, alice.Get(K.PermitRootLogin)); // "Match all" widens nothing
        var bob = config.For(Alice with { UserName = "bob" });
        Assert.False(bob.Get(K.PasswordAuthentication));
        Assert.Equal(RootLogin.Yes, bob.Get(K.PermitRootLogin));
    }

    [Fact]
    public void A_file_that_includes_itself_is_an_error()
    {
        using var folder = new TempFolder();
        var path = folder["loop"];
        File.WriteAllText(path, $"Include {path}\nInclude {path}");
        var error = Assert.Throws<SshException>(() => SshdConfig.Load(path));
        Assert.Contains("Too many recursive configuration includes", error.Message);
    }
}
