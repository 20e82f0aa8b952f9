using Adit.Ssh.Keys;

namespace Adit.Ssh.Tests.Keys;

public class KeyFileSignerTests
{
    private readonly List<string> _prompts = [];

    private Func<string, CancellationToken, ValueTask<string?>> Answers(params string?[] answers)
    {
        var rest = new Queue<string?>(answers);
        return (prompt, _) =>
        {
            _prompts.Add(prompt);
            return ValueTask.FromResult(rest.Dequeue());
        };
    }

    [Fact]
    public async Task The_passphrase_is_asked_for_at_the_first_signature_only()
    {
        using var folder = new KeygenFolder();
        string file = folder.Generate("key", "-t", "ed25519", "-N", "secret", "-a", "2");
        using var signer = await KeyFileSigner.OpenAsync(file, Answers("wrong", "secret"));
        Assert.Equal(PublicKey.ParseText(File.ReadAllText(file + ".pub"), out _), signer.PublicKey);
        Assert.Empty(_prompts);
        for (int i = 0; i < 2; i++)
        {
            byte[] signature = await signer.SignAsync("ssh-ed25519", "data"u8.ToArray(), default);
            Assert.True(signer.PublicKey.Verify("ssh-ed25519", "data"u8, signature));
        }
        string prompt = $"Enter passphrase for key '{file}': ";
        Assert.Equal([prompt, prompt], _prompts);
    }

    [Fact]
    public async Task After_three_wrong_ones_it_is_not_asked_for_again()
    {
        using var folder = new KeygenFolder();
        string file = folder.Generate("key", "-t", "ed25519", "-N", "secret", "-a", "2");
        using var signer = await KeyFileSigner.OpenAsync(file, Answers("a", "b", "c", "secret"));
        for (int i = 0; i < 2; i++)
        {
            var e = await Assert.ThrowsAsync<SshException>(async () => await signer.SignAsync("ssh-ed25519", "data"u8.ToArray(), default));
            Assert.Equal(SshError.WrongPassphrase, e.Error);
            Assert.Equal(3, _prompts.Count);
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public async Task Giving_up_at_the_prompt_skips_the_key(string? answer)
    {
        using var folder = new KeygenFolder();
        string file = folder.Generate("key", "-t", "ed25519", "-N", "secret", "-a", "2");
        using var signer = await KeyFileSigner.OpenAsync(file, Answers(answer, "secret"));
        var e = await Assert.ThrowsAsync<SshException>(async () => await signer.SignAsync("ssh-ed25519", default, default));
        Assert.Equal(SshError.WrongPassphrase, e.Error);
        Assert.Single(_prompts);
    }

    [Fact]
    public async Task An_encrypted_PEM_file_uses_the_public_key_beside_it_or_asks()
    {
        using var folder = new KeygenFolder();
        string file = folder.Generate("key", "-t", "rsa", "-b", "1024", "-N", "secret", "-m", "PEM");
        using (var signer = await KeyFileSigner.OpenAsync(file, Answers()))
            Assert.Equal("ssh-rsa", signer.PublicKey.KeyType);
        File.Delete(file + ".pub");
        using (var signer = await KeyFileSigner.OpenAsync(file, Answers("secret")))
            Assert.Equal("ssh-rsa", signer.PublicKey.KeyType);
        Assert.Single(_prompts);
        Assert.Equal(SshError.WrongPassphrase, (await Assert.ThrowsAsync<SshException>(async () => await KeyFileSigner.OpenAsync(file))).Error);
    }

    [Fact]
    public async Task A_public_key_beside_it_that_belongs_to_another_key_is_found_out()
    {
        using var folder = new KeygenFolder();
        string file = folder.Generate("key", "-t", "rsa", "-b", "1024", "-N", "secret", "-m", "PEM");
        string other = folder.Generate("other", "-t", "ed25519", "-N", "");
        File.Copy(other + ".pub", file + ".pub", overwrite: true);
        using var signer = await KeyFileSigner.OpenAsync(file, Answers("secret"));
        var e = await Assert.ThrowsAsync<SshException>(async () => await signer.SignAsync("ssh-ed25519", default, default));
        Assert.Equal($"private key {file} contents do not match public", e.Message);
    }

    [Fact]
    public async Task Signatures_wanted_at_once_ask_once()
    {
        using var folder = new KeygenFolder();
        string file = folder.Generate("key", "-t", "ed25519", "-N", "secret", "-a", "2");
        using var signer = await KeyFileSigner.OpenAsync(file, Answers("secret"));
        var signatures = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => signer.SignAsync("ssh-ed25519", new byte[] { 1 }, default).AsTask()));
        Assert.All(signatures, s => Assert.True(signer.PublicKey.Verify("ssh-ed25519", [1], s)));
        Assert.Single(_prompts);
    }
}
