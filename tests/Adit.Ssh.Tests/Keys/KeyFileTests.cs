using System.Text;
using Adit.Ssh.Keys;

namespace Adit.Ssh.Tests.Keys;

public class KeyFileTests
{
    private const string Passphrase = "an öld passphrase";

    private static readonly string[][] Types = [["ed25519"], ["ecdsa", "-b", "256"], ["ecdsa", "-b", "384"], ["ecdsa", "-b", "521"], ["rsa", "-b", "1024"]];

    public static TheoryData<string, string, string> Formats()
    {
        var data = new TheoryData<string, string, string>();
        foreach (string[] type in Types)
        {
            foreach (string format in (string[])["", "PEM", "PKCS8", "RFC4716"])
            {
                data.Add(string.Join(' ', type), format, "");
                data.Add(string.Join(' ', type), format, Passphrase);
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Every_format_of_ssh_keygen_is_read(string type, string format, string passphrase)
    {
        using var folder = new KeygenFolder();
        string[] chosen = format.Length == 0 ? [] : ["-m", format];
        string file = folder.Generate("key", ["-t", .. type.Split(' '), "-N", passphrase, "-a", "2", .. chosen]);
        Assert.Equal(passphrase.Length > 0, KeyFile.IsEncrypted(file));
        using var key = KeyFile.ReadPrivateKey(file, passphrase);
        Assert.Equal(KeyFile.ReadPublicKey(file + ".pub", out string comment), key.PublicKey);
        Assert.Equal("somebody@example", comment);
        Assert.True(key.PublicKey.Verify(key.PublicKey.SignatureAlgorithms[0], "x"u8, key.Sign(key.PublicKey.SignatureAlgorithms[0], "x"u8)));
        if (passphrase.Length == 0)
            return;
        foreach (string? wrong in (string?[])[null, "", "wrong"])
        {
            var e = Assert.Throws<SshException>(() => KeyFile.ReadPrivateKey(file, wrong));
            Assert.Equal(SshError.WrongPassphrase, e.Error);
            Assert.Equal($"Load key \"{file}\": incorrect passphrase supplied to decrypt private key", e.Message);
        }
    }

    [Theory]
    [InlineData("aes128-ctr")]
    [InlineData("aes192-ctr")]
    [InlineData("aes256-ctr")]
    [InlineData("aes128-cbc")]
    [InlineData("aes192-cbc")]
    [InlineData("aes256-cbc")]
    [InlineData("aes128-gcm@openssh.com")]
    [InlineData("aes256-gcm@openssh.com")]
    [InlineData("chacha20-poly1305@openssh.com")]
    public void Every_cipher_is_read_and_written(string cipher)
    {
        using var folder = new KeygenFolder();
        string file = folder.Generate("key", "-t", "ed25519", "-N", Passphrase, "-a", "2", "-Z", cipher);
        using var key = KeyFile.ReadPrivateKey(file, Passphrase);
        Assert.Equal("somebody@example", key.Comment);
        Assert.Equal(SshError.WrongPassphrase, Assert.Throws<SshException>(() => KeyFile.ReadPrivateKey(file, "wrong")).Error);

        byte[] written = OpenSshKeyContent.Format(key, Encoding.UTF8.GetBytes(Passphrase), KeyFileCipher.Find(cipher)!, 2);
        string own = folder.Write("own", Encoding.ASCII.GetString(written));
        Assert.Equal(key.PublicKey.ToText("somebody@example") + "\n", folder.Run("ssh-keygen", "-y", "-P", Passphrase, "-f", own));
    }

    [Theory]
    [InlineData("rsa", "-aes128")]
    [InlineData("rsa", "-aes192")]
    [InlineData("rsa", "-aes256")]
    [InlineData("rsa", "-des3")]
    [InlineData("ec", "-aes256")]
    [InlineData("ec", "-des3")]
    public void Old_PEM_encryption_is_read(string type, string cipher)
    {
        using var folder = new KeygenFolder();
        string[] generate = type == "rsa" ? ["genrsa", "-traditional", "-out", "plain", "1024"] : ["ecparam", "-name", "prime256v1", "-genkey", "-out", "plain"];
        folder.Run("openssl", generate);
        string[] traditional = type == "rsa" ? ["-traditional"] : [];
        folder.Run("openssl", [type, "-in", "plain", cipher, .. traditional, "-passout", "pass:secret", "-out", "encrypted"]);
        Assert.Contains("DEK-Info", File.ReadAllText(folder.File("encrypted")));
        using var plain = KeyFile.ReadPrivateKey(folder.File("plain")); // with an EC PARAMETERS block in front
        using var encrypted = KeyFile.ReadPrivateKey(folder.File("encrypted"), "secret");
        Assert.Equal(plain.PublicKey, encrypted.PublicKey);
        Assert.Equal(SshError.WrongPassphrase, Assert.Throws<SshException>(() => KeyFile.ReadPrivateKey(folder.File("encrypted"), "wrong")).Error);
    }

    [Theory]
    [InlineData("-v2", "aes-128-cbc", "hmacWithSHA1")]
    [InlineData("-v2", "aes-192-cbc", "hmacWithSHA256")]
    [InlineData("-v2", "aes-256-cbc", "hmacWithSHA512")]
    [InlineData("-v2", "des3", "hmacWithSHA384")]
    public void PKCS8_encryption_is_read(string option, string cipher, string hash)
    {
        using var folder = new KeygenFolder();
        folder.Run("openssl", "genpkey", "-algorithm", "ed25519", "-out", "plain");
        folder.Run("openssl", "pkcs8", "-topk8", "-in", "plain", option, cipher, "-v2prf", hash, "-passout", "pass:secret", "-out", "encrypted");
        KeygenFolder.SetMode(folder.File("plain"), "400");
        KeygenFolder.SetMode(folder.File("encrypted"), "400");
        using var plain = KeyFile.ReadPrivateKey(folder.File("plain"));
        using var encrypted = KeyFile.ReadPrivateKey(folder.File("encrypted"), "secret");
        Assert.Equal("ssh-ed25519", plain.PublicKey.KeyType);
        Assert.Equal(plain.PublicKey, encrypted.PublicKey);
        Assert.Equal(SshError.WrongPassphrase, Assert.Throws<SshException>(() => KeyFile.ReadPrivateKey(folder.File("encrypted"), "wrong")).Error);
    }

    [Theory]
    [InlineData("")]
    [InlineData(Passphrase)]
    public void What_is_written_is_read_by_ssh_keygen_and_by_us(string passphrase)
    {
        using var folder = new KeygenFolder();
        foreach (var (type, bits) in ((string, int)[])[("ed25519", 0), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521), ("rsa", 1024), ("rsa", 3072)])
        {
            using var key = PrivateKey.Generate(type, bits);
            key.Comment = "me@here, größe";
            string file = folder.File($"{type}{bits}");
            KeyFile.WritePrivateKey(file, key, passphrase, rounds: 2);
            Assert.Equal("600", KeygenFolder.ModeOf(file));
            Assert.Equal(key.PublicKey.ToText(key.Comment) + "\n", folder.Run("ssh-keygen", "-y", "-P", passphrase, "-f", file));
            using var again = KeyFile.ReadPrivateKey(file, passphrase);
            Assert.Equal(key.PublicKey, again.PublicKey);
            Assert.Equal(key.Comment, again.Comment);

            // ssh-keygen rewrites the file from what it read: all the numbers must have been right.
            folder.Run("ssh-keygen", "-p", "-P", passphrase, "-N", "other", "-a", "2", "-f", file);
            using var rewritten = KeyFile.ReadPrivateKey(file, "other");
            Assert.Equal(key.PublicKey, rewritten.PublicKey);
        }
    }

    [Fact]
    public void An_existing_file_is_replaced_only_when_asked()
    {
        using var folder = new KeygenFolder();
        using var key = PrivateKey.Generate("ed25519");
        string file = folder.Write("key", "precious", "604");
        var e = Assert.Throws<SshException>(() => KeyFile.WritePrivateKey(file, key));
        Assert.Equal(SshError.FileAccess, e.Error);
        Assert.Equal($"Saving key \"{file}\" failed: File exists", e.Message);
        Assert.Equal("precious", File.ReadAllText(file));
        KeyFile.WritePrivateKey(file, key, overwrite: true);
        Assert.Equal(key.PublicKey, KeyFile.ReadPublicKey(file, out _));
        Assert.Equal("600", KeygenFolder.ModeOf(file));
        Assert.Single(Directory.GetFiles(folder.Path));
        Assert.Equal(SshError.FileAccess, Assert.Throws<SshException>(() => KeyFile.WritePrivateKey(folder.File("no/such/folder"), key)).Error);
    }

    [Fact]
    public void A_file_that_others_may_read_is_refused_with_the_banner()
    {
        using var folder = new KeygenFolder();
        string file = folder.Generate("key", "-t", "ed25519", "-N", "");
        KeygenFolder.SetMode(file, "644");
        var e = Assert.Throws<SshException>(() => KeyFile.ReadPrivateKey(file));
        Assert.Equal(SshError.FileAccess, e.Error);
        var lines = e.Message.Split('\n');
        Assert.Equal("@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @", lines[1]);
        Assert.Equal($"Permissions 0644 for '{file}' are too open.", lines[3]);
        Assert.Equal($"Load key \"{file}\": bad permissions", lines[^1]);
        var (_, _, error) = folder.TryRun("ssh-keygen", "-y", "-f", file);
        Assert.Equal(error.ReplaceLineEndings("\n").TrimEnd(), e.Message);
    }

    // A key shared by a group belongs to root: its readers cannot tighten it, and OpenSSH takes it too.
    [Fact]
    public void A_file_of_somebody_else_may_be_readable()
    {
        using var folder = new KeygenFolder();
        string file = folder.Generate("key", "-t", "ed25519", "-N", "");
        KeygenFolder.SetMode(file, "640");
        var (changed, _, _) = folder.TryRun("chown", "12345", file);
        if (changed != 0)
            return; // only root can give files away
        using var key = KeyFile.ReadPrivateKey(file);
        Assert.Equal(key.PublicKey.ToText("somebody@example") + "\n", folder.Run("ssh-keygen", "-y", "-f", file));
    }

    [Fact]
    public void Files_that_are_no_keys_are_named_in_the_error()
    {
        using var folder = new KeygenFolder();
        Fails(folder.File("missing"), SshError.FileAccess, "No such file or directory");
        Fails(folder.Path, SshError.FileAccess, "Is a directory");
        Fails(folder.Write("empty", ""), SshError.InvalidKey, "invalid format");
        Fails(folder.Write("text", "hello\n"), SshError.InvalidKey, "invalid format");
        Fails(folder.Write("cut", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"), SshError.InvalidKey, "invalid format");
        Fails(folder.Write("dsa", "-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n"), SshError.InvalidKey, "unknown or unsupported key type");
        Fails(folder.Write("big", new string('x', KeyFile.MaxLength + 1)), SshError.InvalidKey, "invalid format");
        Assert.Contains("puttygen", Fails(folder.Write("ppk", "PuTTY-User-Key-File-3: ssh-ed25519\n"), SshError.InvalidKey, "invalid format").Hint);

        static SshException Fails(string file, SshError error, string reason)
        {
            var e = Assert.Throws<SshException>(() => KeyFile.ReadPrivateKey(file));
            Assert.Equal(error, e.Error);
            Assert.Equal($"Load key \"{file}\": {reason}", e.Message);
            return e;
        }
    }

    // INVARIANTS 12, 13: the work that a file asks for is bounded before it is done.
    [Fact]
    public void Too_many_rounds_are_refused_before_they_are_run()
    {
        using var key = PrivateKey.Generate("ed25519");
        byte[] file = KeyFile.FormatPrivateKey(key, "secret", 1);
        string[] lines = Encoding.ASCII.GetString(file).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        byte[] data = Convert.FromBase64String(string.Concat(lines[1..^1]));
        int rounds = data.AsSpan().IndexOf("bcrypt"u8) + 6 + 4 + 4 + 16;
        Assert.Equal([0, 0, 0, 1], data[rounds..(rounds + 4)]);
        foreach (byte[] value in (byte[][])[[0, 0, 0, 0], [0, 0, 0x10, 1], [0xff, 0xff, 0xff, 0xff]])
        {
            value.CopyTo(data, rounds);
            string text = $"{lines[0]}\n{Convert.ToBase64String(data)}\n{lines[^1]}\n";
            var e = Assert.Throws<SshException>(() => KeyFile.ParsePrivateKey(Encoding.ASCII.GetBytes(text), "secret"));
            Assert.Equal(SshError.InvalidKey, e.Error);
            Assert.Contains("bcrypt rounds", e.Hint);
        }
    }

    [Fact]
    public void Public_keys_are_read_from_every_place_they_stand_in()
    {
        using var folder = new KeygenFolder();
        string file = folder.Generate("key", "-t", "rsa", "-b", "1024", "-N", Passphrase, "-a", "2");
        var expected = PublicKey.ParseText(File.ReadAllText(file + ".pub"), out _);
        Assert.Equal(expected, KeyFile.ReadPublicKey(file + ".pub", out _));
        Assert.Equal(expected, KeyFile.ReadPublicKey(file, out _));
        string rfc4716 = folder.Write("rfc4716", folder.Run("ssh-keygen", "-e", "-f", file + ".pub"));
        Assert.Equal(expected, KeyFile.ReadPublicKey(rfc4716, out string comment));
        Assert.Contains("RSA", comment);
        string pem = folder.Generate("pem", "-t", "rsa", "-b", "1024", "-N", Passphrase, "-m", "PEM");
        Assert.Equal(SshError.WrongPassphrase, Assert.Throws<SshException>(() => KeyFile.ReadPublicKey(pem, out _)).Error);
        Assert.Equal(SshError.InvalidKey, Assert.Throws<SshException>(() => KeyFile.ReadPublicKey(folder.Write("comments", "# none\n\n"), out _)).Error);
    }

    [Fact]
    public void The_agreement_of_both_halves_is_checked()
    {
        using var one = PrivateKey.Generate("ed25519");
        using var two = PrivateKey.Generate("ed25519");
        string text = Encoding.ASCII.GetString(KeyFile.FormatPrivateKey(one));
        string[] lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        byte[] data = Convert.FromBase64String(string.Concat(lines[1..^1]));
        byte[] from = one.PublicKey.Blob.Span[^32..].ToArray(), to = two.PublicKey.Blob.Span[^32..].ToArray();
        for (int at; (at = data.AsSpan().IndexOf(from)) >= 0;)
            to.CopyTo(data, at);
        string changed = $"{lines[0]}\n{Convert.ToBase64String(data)}\n{lines[^1]}\n";
        Assert.Equal(SshError.InvalidKey, Assert.Throws<SshException>(() => KeyFile.ParsePrivateKey(Encoding.ASCII.GetBytes(changed))).Error);
    }
}
