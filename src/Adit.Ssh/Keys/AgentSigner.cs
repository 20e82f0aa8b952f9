namespace Adit.Ssh.Keys;

/// <summary>A key that an agent holds.</summary>
internal sealed class AgentSigner(SshAgent agent, PublicKey publicKey, string comment) : ISigner
{
    public PublicKey PublicKey => publicKey;

    /// <summary>The agent's comment, as it sent it.</summary>
    public string Comment => comment;

    public ValueTask<byte[]> SignAsync(string algorithm, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) =>
        agent.SignAsync(publicKey, algorithm, data, cancellationToken);
}
