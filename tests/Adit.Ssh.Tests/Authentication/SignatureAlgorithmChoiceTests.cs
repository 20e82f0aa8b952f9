using Adit.Ssh.Authentication;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>Which algorithm a client signs with (RFC 8308, RFC 8332).</summary>
public class SignatureAlgorithmChoiceTests
{
    [Theory]
    [InlineData("rsa-sha2-512,rsa-sha2-256", "rsa-sha2-256,rsa-sha2-512", "rsa-sha2-512")] // our order
    [InlineData("rsa-sha2-512,rsa-sha2-256", "rsa-sha2-256", "rsa-sha2-256")]
    [InlineData("rsa-sha2-512,rsa-sha2-256", "ssh-ed25519,ssh-rsa", null)]
    [InlineData("rsa-sha2-512,ssh-rsa", "ssh-rsa", "ssh-rsa")]
    [InlineData("rsa-sha2-512,rsa-sha2-256", null, null)] // nothing announced: rsa-sha2 is not known there
    [InlineData("rsa-sha2-512,rsa-sha2-256,ssh-rsa", null, "ssh-rsa")]
    [InlineData("ssh-ed25519", "ssh-ed25519", null)]
    [InlineData("rsa-sha2-512", "", null)]
    public void Rsa(string accepted, string? server, string? expected) =>
        Assert.Equal(expected, SignatureAlgorithmChoice.Choose(TestKeys.Rsa.PublicKey, accepted.Split(','), server?.Split(',')));

    [Theory]
    [InlineData("ssh-ed25519", null, "ssh-ed25519")]
    [InlineData("ssh-ed25519", "rsa-sha2-256,rsa-sha2-512", "ssh-ed25519")] // servers that list only their RSA algorithms
    [InlineData("rsa-sha2-512", "ssh-ed25519", null)] // not allowed on our side
    public void Others(string accepted, string? server, string? expected) =>
        Assert.Equal(expected, SignatureAlgorithmChoice.Choose(TestKeys.Alice.PublicKey, accepted.Split(','), server?.Split(',')));
}
