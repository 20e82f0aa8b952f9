using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace Adit.Interop.Tests.Harness;

/// <summary>A key pair in files, made by ssh-keygen.</summary>
/// <param name="Path">The private key's file; the public key lies beside it.</param>
internal sealed record KeyPair(string Path)
{
    /// <summary>The line of the .pub file: type, blob, comment.</summary>
    public string PublicLine { get; } = File.ReadAllText(Path + ".pub").Trim();

    /// <summary>Type and blob, as known_hosts has them.</summary>
    public string TypeAndBlob => string.Join(' ', PublicLine.Split(' ').Take(2));

    public string Fingerprint => "SHA256:" + Convert.ToBase64String(SHA256.HashData(Convert.FromBase64String(PublicLine.Split(' ')[1]))).TrimEnd('=');
}

/// <summary>Key pairs that tests share, made when first asked for (an RSA key takes a while).</summary>
internal static class Keys
{
    public static readonly string[] Types = ["ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa"];

    private static readonly TempFolder Folder = CreateFolder();
    private static readonly ConcurrentDictionary<string, Lazy<Task<KeyPair>>> Made = new(StringComparer.Ordinal);

    public static Task<KeyPair> UserAsync(string type = "ed25519") => SharedAsync("user", type);

    public static Task<KeyPair> HostAsync(string type = "ed25519") => SharedAsync("host", type);

    /// <summary>The type of key that makes signatures by <paramref name="algorithm"/>.</summary>
    public static string TypeFor(string? algorithm) => algorithm switch
    {
        null or "ssh-ed25519" => "ed25519",
        "ecdsa-sha2-nistp256" => "ecdsa-256",
        "ecdsa-sha2-nistp384" => "ecdsa-384",
        "ecdsa-sha2-nistp521" => "ecdsa-521",
        "ssh-rsa" or "rsa-sha2-256" or "rsa-sha2-512" => "rsa",
        _ => throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, null),
    };

    public static async Task<KeyPair> MakeAsync(string path, string type = "ed25519", string passphrase = "")
    {
        string[] kind = type.Split('-') is [var name, var bits] ? ["-t", name, "-b", bits] : type == "rsa" ? ["-t", "rsa", "-b", "3072"] : ["-t", type];
        await RunKeygenAsync(["-q", .. kind, "-N", passphrase, "-C", "adit test", "-f", path]);
        return new KeyPair(path);
    }

    public static async Task<string> RunKeygenAsync(params string[] arguments)
    {
        ProcessResult result = await ManagedProcess.RunAsync("ssh-keygen", Machine.Tool("ssh-keygen"), arguments, TimeSpan.FromSeconds(60));
        Assert.True(result.ExitCode == 0, "ssh-keygen " + string.Join(' ', arguments) + ": " + result);
        return result.Output;
    }

    private static Task<KeyPair> SharedAsync(string owner, string type) =>
        Made.GetOrAdd(owner + "-" + type, name => new(() => MakeAsync(Folder[name], type))).Value;

    private static TempFolder CreateFolder()
    {
        var folder = new TempFolder();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => folder.Dispose();
        return folder;
    }
}
