namespace Adit.Ssh.Connection;

/// <summary>A channel as a stream.</summary>
public abstract class SshStream : Stream
{
    /// <summary>Sends SSH_MSG_CHANNEL_EOF after what was written; reading goes on.</summary>
    public abstract ValueTask CompleteWritesAsync(CancellationToken cancellationToken = default);

    /// <summary>Closes the channel at once, dropping what was not sent.</summary>
    public abstract void Abort();
}
