using Adit.Ssh.Transport;

namespace Adit.Ssh;

/// <summary>The buffers that all connections of the process share.</summary>
public static class SshBuffers
{
    /// <summary>Gives up the spare ones, which are kept for reuse for up to twenty seconds after a burst and are up to 100 MiB then. For a program that wants to collect its garbage in a quiet moment: it does
    /// not by itself give memory back to the system. From any thread.</summary>
    public static void Trim()
    {
        PacketPool.Shared.Trim();
        PacketPool.Shared.Trim(); // the first call leaves what was needed since the last one
    }
}
