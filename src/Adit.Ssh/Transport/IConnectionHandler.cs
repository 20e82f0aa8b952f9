using Adit.Ssh.Wire;

namespace Adit.Ssh.Transport;

/// <summary>What takes the messages from 80 up. Every method is called on the receive loop and must not block.</summary>
internal interface IConnectionHandler
{
    /// <summary>One message; the memory is valid until <see cref="OnBatchEnd"/> returns. Throws <see cref="SshException"/> when it breaks the protocol.</summary>
    void OnMessage(MessageId id, ReadOnlyMemory<byte> payload);

    /// <summary>An SSH_MSG_DEBUG; its text is escaped. True when it belongs to something that the handler will tell about itself.</summary>
    bool OnRemark(string text);

    /// <summary>Everything that was received at once has been handed over.</summary>
    void OnBatchEnd();

    /// <summary>The connection is over; called exactly once, after everything else.</summary>
    void OnClosed(SshException reason);
}
