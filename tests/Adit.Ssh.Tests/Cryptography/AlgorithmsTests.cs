using System.Security.Cryptography;
using Adit.Ssh.Cryptography;

namespace Adit.Ssh.Tests.Cryptography;

public class AlgorithmsTests
{
    private static readonly string[] Defaults = ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr", "aes256-ctr"];

    [Fact]
    public void Every_name_is_there_once_and_found()
    {
        foreach (var kind in Enum.GetValues<AlgorithmKind>())
        {
            var names = Algorithms.Supported(kind);
            Assert.Equal(names.Count, names.Distinct().Count());
            Assert.All(names, name => Assert.Matches("^[a-z0-9@.-]{1,64}$", name));
            Assert.Subset(names.ToHashSet(), Algorithms.Defaults(kind).ToHashSet());
            Assert.NotEmpty(Algorithms.Defaults(kind));
        }
        Assert.All(Algorithms.KeyExchange, a => Assert.Same(a, Algorithms.FindKeyExchange(a.Name)));
        Assert.All(Algorithms.HostKey, a => Assert.Same(a, Algorithms.FindHostKey(a.Name)));
        Assert.All(Algorithms.Ciphers, a => Assert.Same(a, Algorithms.FindCipher(a.Name)));
        Assert.All(Algorithms.Macs, a => Assert.Same(a, Algorithms.FindMac(a.Name)));
        Assert.Null(Algorithms.FindCipher("none"));
    }

    // INVARIANT 30: nothing weak in the defaults.
    [Fact]
    public void Nothing_in_the_defaults_rests_on_SHA_1()
    {
        var preferences = Algorithms.DefaultPreferences;
        Assert.All(preferences.KeyExchange, name => Assert.NotEqual(HashAlgorithmName.SHA1, Algorithms.FindKeyExchange(name)!.Hash));
        Assert.All(preferences.HostKey.Concat(preferences.PublicKey), name => Assert.NotEqual(HashAlgorithmName.SHA1, Algorithms.FindHostKey(name)!.Hash));
        Assert.All(preferences.Macs, name => Assert.NotEqual(HashAlgorithmName.SHA1, Algorithms.FindMac(name)!.Hash));
        Assert.DoesNotContain("ssh-rsa", preferences.HostKey);
        Assert.Contains("ssh-rsa", Algorithms.Supported(AlgorithmKind.HostKey));
        Assert.Contains("hmac-sha1", Algorithms.Supported(AlgorithmKind.Mac));
    }

    [Fact]
    public void Certificate_forms_know_their_plain_ones()
    {
        var certificate = Algorithms.FindHostKey("rsa-sha2-512-cert-v01@openssh.com")!;
        Assert.True(certificate.IsCertificate);
        Assert.Equal("rsa-sha2-512", certificate.PlainName);
        Assert.Equal("ssh-rsa-cert-v01@openssh.com", certificate.KeyType);
        Assert.Equal("ssh-rsa", certificate.PlainKeyType);
        var plain = Algorithms.FindHostKey("rsa-sha2-512")!;
        Assert.False(plain.IsCertificate);
        Assert.Equal("ssh-rsa", plain.KeyType);
        var order = Algorithms.DefaultPreferences.HostKey.Select(name => Algorithms.FindHostKey(name)!.IsCertificate).ToArray();
        Assert.Equal(order.OrderByDescending(c => c), order); // certificates first
    }

    [Theory]
    [InlineData("aes256-ctr", "aes256-ctr")]
    [InlineData("aes256-ctr,aes128-ctr,aes256-ctr", "aes256-ctr,aes128-ctr")]
    [InlineData("+aes192-ctr", "aes128-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes256-ctr,aes192-ctr")]
    [InlineData("+aes128-ctr", "aes128-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes256-ctr")]
    [InlineData("^aes256-ctr,aes192-ctr", "aes256-ctr,aes192-ctr,aes128-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr")]
    [InlineData("-aes*", "chacha20-poly1305@openssh.com")]
    [InlineData("-*-ctr,chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com")]
    [InlineData("-nosuchthing", "aes128-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes256-ctr")]
    public void Lists_are_applied_as_ssh_config_says(string spec, string expected)
    {
        var result = Algorithms.ApplySpec(AlgorithmKind.Cipher, Defaults, spec);
        Assert.True(result.Succeeded);
        Assert.Equal(expected.Split(','), result.Names);
        Assert.Empty(result.Skipped);
    }

    [Theory]
    [InlineData("aes256-ctr,nosuch", "nosuch")]
    [InlineData("+nosuch", "nosuch")]
    [InlineData("^Aes256-ctr", "Aes256-ctr")]
    [InlineData("foo*", "foo*")]
    [InlineData("aes256-ctr,,aes128-ctr", "aes256-ctr,,aes128-ctr")]
    [InlineData("", "")]
    [InlineData("+", "+")]
    [InlineData("-*", "-*")]
    [InlineData("!aes256-ctr", "!aes256-ctr")]
    [InlineData("3des-cbc", "3des-cbc")] // known, but nothing is left
    public void A_bad_list_names_what_is_bad(string spec, string badName)
    {
        var result = Algorithms.ApplySpec(AlgorithmKind.Cipher, Defaults, spec);
        Assert.False(result.Succeeded);
        Assert.Equal(badName, result.BadName);
        Assert.Empty(result.Names);
    }

    [Fact]
    public void What_only_OpenSSH_has_is_left_out_so_that_its_configuration_can_be_used()
    {
        var result = Algorithms.ApplySpec(AlgorithmKind.Mac, Algorithms.Defaults(AlgorithmKind.Mac), "umac-128-etm@openssh.com,hmac-sha2-256,umac-64@openssh.com");
        Assert.True(result.Succeeded);
        Assert.False(Algorithms.ApplySpec(AlgorithmKind.Mac, Algorithms.Defaults(AlgorithmKind.Mac), "hmac-sha2-256,umac-64*").Succeeded);
        Assert.Equal(["hmac-sha2-256"], result.Names);
        Assert.Equal(["umac-128-etm@openssh.com", "umac-64@openssh.com"], result.Skipped);
    }

    [Fact]
    public void Key_sizes_are_those_of_the_ciphers()
    {
        Assert.Equal((16, 12, 16, true), Row("aes128-gcm@openssh.com"));
        Assert.Equal((32, 12, 16, true), Row("aes256-gcm@openssh.com"));
        Assert.Equal((64, 0, 8, true), Row("chacha20-poly1305@openssh.com"));
        Assert.Equal((24, 16, 16, false), Row("aes192-ctr"));

        static (int, int, int, bool) Row(string name)
        {
            var cipher = Algorithms.FindCipher(name)!;
            return (cipher.KeySize, cipher.IvSize, cipher.BlockSize, cipher.IsAead);
        }
    }
}
