namespace Adit.Ssh.Connection;

/// <summary>What the peer may send on a channel that we open.</summary>
/// <param name="Window">Before the first of it was delivered. A window that turns out to be too small for the way grows, as all do.</param>
/// <param name="MaximumPacket">In one message.</param>
internal readonly record struct ChannelSize(int Window, int MaximumPacket);
