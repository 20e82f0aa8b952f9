namespace Adit.Ssh.Connection;

/// <summary>One of a session's streams: either what arrives, or what is sent.</summary>
/// <param name="channel">The session's.</param>
/// <param name="source">What arrives; null for what is sent.</param>
internal sealed class SessionStream(SshChannel channel, InboundBytes? source) : SshStream
{
    public override bool CanRead => source is not null;

    public override bool CanWrite => source is null;

    /// <summary>Waits for at least one byte; 0 at the end. Throws the connection's <see cref="SshException"/> when it died first.</summary>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        source is null ? throw new NotSupportedException() : source.ReadAsync(buffer, cancellationToken);

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (source is not null)
            throw new NotSupportedException();
        if (!await channel.SendAsync(buffer, cancellationToken).ConfigureAwait(false))
            throw new SshException(SshError.ChannelClosed, "the session takes no more input");
    }

    public override ValueTask CompleteWritesAsync(CancellationToken cancellationToken = default)
    {
        if (source is not null)
            throw new NotSupportedException();
        channel.SendEof();
        return ValueTask.CompletedTask;
    }

    public override void Abort() => channel.Close();
}
