namespace Adit.Server.Configuration;

/// <summary>The kinds of algorithms that a keyword can choose.</summary>
public enum AlgorithmKind
{
    KeyExchange,
    HostKey,
    Cipher,
    Mac,
    PublicKey,
    CaSignature,
}

/// <summary>An algorithm keyword's value, its <c>+</c>, <c>-</c> and <c>^</c> already applied to the defaults.</summary>
/// <param name="Names">Best first.</param>
public sealed record AlgorithmSpec(AlgorithmKind Kind, IReadOnlyList<string> Names)
{
    public static AlgorithmSpec Default(AlgorithmKind kind) => new(kind, []);

    internal static AlgorithmSpec Read(AlgorithmKind kind, SshdArguments arguments) => new(kind, arguments.Next().Split(','));
}
