using Adit.Ssh.Keys;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>Keys made once per run.</summary>
internal static class TestKeys
{
    public static PrivateKey Host { get; } = Make("ed25519", "host");

    public static PrivateKey Alice { get; } = Make("ed25519", "alice@desk");

    public static PrivateKey Bob { get; } = Make("ed25519", "bob@desk");

    public static PrivateKey Ecdsa { get; } = Make("ecdsa", "ecdsa@desk");

    public static PrivateKey Rsa { get; } = PrivateKey.Generate("rsa", 2048);

    public static string[] DefaultAlgorithms { get; } = ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"];

    private static PrivateKey Make(string type, string comment)
    {
        var key = PrivateKey.Generate(type);
        key.Comment = comment;
        return key;
    }
}

/// <summary>Counts signatures, and can be told to fail.</summary>
internal sealed class CountingSigner(PrivateKey key) : ISigner
{
    public int Signatures { get; private set; }

    public string? Failure { get; init; }

    public PublicKey PublicKey => key.PublicKey;

    public string Comment => key.Comment;

    public ValueTask<byte[]> SignAsync(string algorithm, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        Signatures++;
        return Failure is null ? key.SignAsync(algorithm, data, cancellationToken) : throw new SshException(SshError.InvalidKey, Failure);
    }
}
