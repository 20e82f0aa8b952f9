namespace Adit.Ssh.Wire;

/// <summary>A message with a fixed layout. Implementations are small structs or records; the wire layout stands above each as a comment.
/// The first byte (the message number) is written by <see cref="Write"/> and has already been read when <see cref="Read"/> is called.</summary>
public interface ISshMessage<TSelf>
    where TSelf : ISshMessage<TSelf>
{
    /// <summary>The message number.</summary>
    static abstract MessageId Id { get; }

    /// <summary>Reads everything after the message number; throws <see cref="SshException"/> when it is malformed.</summary>
    static abstract TSelf Read(ref SshReader reader);

    /// <summary>Writes the whole payload, the message number included.</summary>
    void Write(ref SshWriter writer);
}
