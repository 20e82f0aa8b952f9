namespace Adit.Ssh.Tests;

public class SshClientOptionsTests
{
    [Theory]
    [InlineData("alice@bastion:2222", "alice", "bastion", 2222)]
    [InlineData("a@b@host", "a@b", "host", 22)]
    [InlineData("alice@[::1]:2222", "alice", "::1", 2222)]
    [InlineData("alice@::1", "alice", "::1", 22)]
    public void ADestinationIsTakenApart(string destination, string user, string host, int port)
    {
        var options = new SshClientOptions(destination);
        Assert.Equal((user, host, port), (options.UserName, options.Host, options.Port));
    }

    [Theory]
    [InlineData("alice@")]
    [InlineData("@host")]
    [InlineData("host:0")]
    [InlineData("host:99999")]
    [InlineData("[::1")]
    public void ABadDestinationIsRefused(string destination) =>
        Assert.Throws<ArgumentException>(() => new SshClientOptions(destination));
}
