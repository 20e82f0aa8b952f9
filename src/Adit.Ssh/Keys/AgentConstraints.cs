namespace Adit.Ssh.Keys;

/// <summary>What an agent has to keep to with a key it is given. An agent that cannot must refuse the key.</summary>
/// <param name="Lifetime">After this time the agent forgets the key; rounded up to seconds. Null: it keeps it.</param>
/// <param name="Confirm">The agent asks its user before every signature.</param>
public sealed record AgentConstraints(TimeSpan? Lifetime = null, bool Confirm = false)
{
    public static AgentConstraints None { get; } = new();

    internal bool Any => Lifetime is not null || Confirm;
}
