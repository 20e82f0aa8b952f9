namespace Adit.Ssh.Transport;

/// <summary>What may wait in a <see cref="SendQueue"/>: the bound on what a peer that does not read makes us hold.</summary>
internal static class SendLimits
{
    /// <summary>Bytes that one lane may have waiting.</summary>
    public const int LaneBytes = 256 * 1024;

    /// <summary>Bytes that all lanes may have waiting before each is held to one packet.</summary>
    public const int AllLanesBytes = 2 * 1024 * 1024;

    /// <summary>Memory of the control messages that may wait, buffers and all: 32,768 of the smallest. They are answers to the peer, so a peer that asks and
    /// does not read ends here. What it asked is no measure: an answer of one byte takes <see cref="PacketBuffer.Footprint"/>, a pong what its ping carried.</summary>
    public const int ControlBytes = 8 * 1024 * 1024;

    /// <summary>The same before login, where nobody has much to ask for and during a key exchange nothing leaves.</summary>
    public const int ControlBytesBeforeLogin = 256 * 1024;

    /// <summary>Control messages that may wait before login, however small.</summary>
    public const int ControlMessagesBeforeLogin = 64;
}
