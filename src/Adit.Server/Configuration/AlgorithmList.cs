using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Server.Configuration;

/// <summary>An algorithm keyword's value, its <c>+</c>, <c>-</c> and <c>^</c> already applied to the defaults.</summary>
/// <param name="Names">Best first.</param>
/// <param name="Skipped">Names of OpenSSH's that were asked for and do not exist here.</param>
public sealed record AlgorithmList(IReadOnlyList<string> Names, IReadOnlyList<string> Skipped)
{
    /// <summary>The defaults of a kind.</summary>
    internal static AlgorithmList Default(AlgorithmKind kind) => new(Algorithms.Defaults(kind), []);

    /// <summary>CASignatureAlgorithms' defaults: a certificate does not sign certificates.</summary>
    internal static AlgorithmList DefaultOfAuthorities { get; } =
        new([.. Algorithms.Defaults(AlgorithmKind.HostKey).Where(name => !KeyAlgorithms.IsCertificate(name))], []);

    /// <summary>Reads a list. <paramref name="what"/> is what OpenSSH's error calls it.</summary>
    internal static Func<SshdArguments, AlgorithmList> Reader(AlgorithmKind kind, AlgorithmList defaults, string what) => arguments =>
    {
        var text = kind == AlgorithmKind.HostKey ? arguments.Next("Missing argument.") : arguments.NextNamed();
        var result = Algorithms.ApplySpec(kind, defaults.Names, text);
        if (result.Succeeded)
        {
            return new AlgorithmList(result.Names, result.Skipped);
        }

        var bad = PeerText.Escape(result.BadName!, 100);
        var (complaint, hint) = ($"Bad {what} '{PeerText.Escape(text, 1024)}'.", $"\"{bad}\" is unknown, or nothing is left. There are: {string.Join(' ', Algorithms.Supported(kind))}");
        throw kind == AlgorithmKind.KeyExchange && text.Length > 1 ? arguments.ErrorAfter($"Unsupported KEX algorithm \"{bad}\"", complaint, hint) : arguments.Error(complaint, hint);
    };
}
