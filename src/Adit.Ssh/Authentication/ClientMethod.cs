namespace Adit.Ssh.Authentication;

/// <summary>One authentication method on the client: its name, and what it can still try.</summary>
internal abstract class ClientMethod
{
    public abstract string Name { get; }

    /// <summary>Makes the next attempt and returns the server's final answer to it; null when there is nothing left to try, and then no answer is outstanding.</summary>
    public abstract ValueTask<ClientReply?> AttemptAsync(CancellationToken cancellationToken);

    /// <summary>A step of some method succeeded and the server wants another one. Returns true when this method has something to try again.</summary>
    public virtual bool OnPartialSuccess() => false;
}
