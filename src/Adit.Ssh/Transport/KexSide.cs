using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Transport;

/// <summary>One side's part in what lies between KEXINIT and NEWKEYS: the messages of the key exchange method, and the host key that signs them. A
/// <see cref="KexSession"/> drives it and sees to it that only the message that is expected gets here. It lasts as long as the connection, for a later exchange
/// must show the host key of the first.</summary>
/// <param name="localVersion">Our identification string without CR LF.</param>
internal abstract class KexSide(SshRole role, ReadOnlyMemory<byte> localVersion)
{
    /// <summary>See <see cref="KexSession.RemoteVersion"/>.</summary>
    public ReadOnlyMemory<byte> RemoteVersion { get; set; }

    /// <summary>See <see cref="KexSession.HostKey"/>.</summary>
    public PublicKey? HostKey { get; protected set; }

    /// <summary>See <see cref="KexSession.HostKeySignature"/>.</summary>
    public ReadOnlyMemory<byte> HostKeySignature { get; protected set; }

    /// <summary>The method is known, or guessed: the client sends its first packet, the server waits for it. Once more where the guess was wrong.</summary>
    public abstract void Begin(KexRun run, KeyExchangeAlgorithm method);

    /// <summary>Takes the message that <see cref="KexRun.Expected"/> says. The result is what both sides share once the method has come to its end, and the
    /// caller's to erase; null while there is more to come.</summary>
    public abstract ValueTask<KexSecret?> ReceiveAsync(KexRun run, MessageId id, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken);

    protected byte[] ComputeHash(KexRun run, ReadOnlySpan<byte> hostKey, ReadOnlySpan<byte> serverValue, ReadOnlySpan<byte> encodedSecret) =>
        run.ComputeHash(role, localVersion.Span, RemoteVersion.Span, hostKey, serverValue, encodedSecret);

    /// <summary>Computing takes up to tens of milliseconds (groups of 8192 bits), and a stranger may ask for it again and again: a thread that watches sockets has others waiting.</summary>
    protected static async ValueTask LeaveWatcherAsync()
    {
        if (!Thread.CurrentThread.IsThreadPoolThread)
            await Task.Yield();
    }
}
