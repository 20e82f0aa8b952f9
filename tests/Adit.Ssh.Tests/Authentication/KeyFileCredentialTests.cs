using Adit.Ssh.Authentication;
using Adit.Ssh.Keys;
using Microsoft.Extensions.Logging;
using static Adit.Ssh.Tests.Authentication.ScriptedAuthenticator;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>Logging in with key files.</summary>
public sealed class KeyFileCredentialTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("adit-auth-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_plain_file_logs_in_under_its_path()
    {
        var harness = new LoginHarness();
        string path = Write("id", TestKeys.Alice);
        var (client, _) = await harness.LoginAsync(ForKeys(TestKeys.Alice.PublicKey), Credential.PrivateKeyFile(path));
        Assert.Equal(TestKeys.Alice.PublicKey, client.Key);
        Assert.Contains($"Offering public key: {path} {TestKeys.Alice.PublicKey}", harness.ClientLog.Texts);
    }

    [Fact]
    public async Task The_passphrase_is_asked_for_only_when_the_server_wants_the_key()
    {
        var prompts = new List<string>();
        string refused = Write("refused", TestKeys.Bob, "secret");
        string wanted = Write("wanted", TestKeys.Alice, "secret");
        var harness = new LoginHarness();
        await harness.LoginAsync(ForKeys(TestKeys.Alice.PublicKey), Credential.PrivateKeyFile(refused, AskAsync), Credential.PrivateKeyFile(wanted, AskAsync));
        Assert.Equal(Enumerable.Repeat($"Enter passphrase for key '{wanted}': ", 2), prompts);

        ValueTask<string?> AskAsync(string prompt, CancellationToken _)
        {
            prompts.Add(prompt);
            return ValueTask.FromResult<string?>(prompts.Count == 1 ? "wrong" : "secret");
        }
    }

    [Fact]
    public async Task No_passphrase_moves_on_to_the_next_key()
    {
        string path = Write("id", TestKeys.Bob, "secret");
        var harness = new LoginHarness();
        var (client, _) = await harness.LoginAsync(
            ForKeys(TestKeys.Alice.PublicKey, TestKeys.Bob.PublicKey),
            Credential.PrivateKeyFile(path, (_, _) => ValueTask.FromResult<string?>(null)),
            Credential.Key(TestKeys.Alice));
        Assert.Equal(TestKeys.Alice.PublicKey, client.Key);
    }

    [Fact]
    public async Task Files_that_cannot_be_used_are_named_in_the_error()
    {
        string garbage = Path.Join(_folder, "garbage");
        await File.WriteAllTextAsync(garbage, "not a key");
        File.SetUnixFileMode(garbage, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        string missing = Path.Join(_folder, "missing");
        var harness = new LoginHarness();
        var (error, _) = await harness.FailAsync(ForKeys(), Credential.PrivateKeyFile(garbage), Credential.PrivateKeyFile(missing));
        Assert.Contains($"publickey: {garbage}: not usable: Load key \"{garbage}\": invalid format", error.Hint, StringComparison.Ordinal);
        Assert.Contains($"publickey: {missing}: not usable: Load key \"{missing}\": No such file or directory", error.Hint, StringComparison.Ordinal);
        Assert.Contains(harness.ClientLog.Lines, l => l.Level == LogLevel.Warning && l.Text.Contains(garbage, StringComparison.Ordinal));
        Assert.DoesNotContain(harness.ClientLog.Lines, l => l.Level >= LogLevel.Information && l.Text.Contains(missing, StringComparison.Ordinal));
    }

    private string Write(string name, PrivateKey key, string? passphrase = null)
    {
        string path = Path.Join(_folder, name);
        KeyFile.WritePrivateKey(path, key, passphrase, rounds: 1);
        return path;
    }
}
