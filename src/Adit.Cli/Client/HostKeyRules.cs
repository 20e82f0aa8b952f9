using Adit.Ssh;
using Adit.Ssh.Transport;

namespace Adit.Cli.Client;

/// <summary>What ssh_config says about host keys beyond known_hosts: RequiredRSASize, and whether a list of HostKeyAlgorithms keeps its order or makes way for
/// the types known for a host.</summary>
internal sealed class HostKeyRules(IHostKeyVerifier knownHosts, bool fixedOrder, int requiredRsaSize) : IHostKeyVerifier
{
    public IReadOnlyList<string> KnownKeyTypes(string host, int port) => fixedOrder ? [] : knownHosts.KnownKeyTypes(host, port);

    public ValueTask VerifyAsync(HostKeyContext context, CancellationToken cancellationToken)
    {
        var key = context.Key.PlainKey;
        if (key.KeyType == "ssh-rsa" && key.Bits < requiredRsaSize)
        {
            throw new SshException(SshError.HostKeyUnknown, "Bad server host key: Invalid key length")
            {
                Hint = $"The server's RSA key has {key.Bits} bits and RequiredRSASize is {requiredRsaSize}.",
            };
        }

        return knownHosts.VerifyAsync(context, cancellationToken);
    }
}
