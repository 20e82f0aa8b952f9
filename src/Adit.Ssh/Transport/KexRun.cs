using Adit.Ssh.Cryptography;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Transport;

/// <summary>One key exchange in progress: what was said so far and what must come next.</summary>
/// <param name="sessionId">The exchange hash of the connection's first exchange; empty in that one.</param>
internal sealed class KexRun(byte[] sessionId) : IDisposable
{
    private volatile bool _ended;

    /// <summary>The connection's first exchange, the one that gives it its session id.</summary>
    public bool IsFirst => sessionId.Length == 0;

    public KexProposal? Local { get; set; }

    public KexProposal? Remote { get; set; }

    public NegotiatedAlgorithms? Algorithms { get; set; }

    public KeyExchangeAlgorithm? Method { get; set; }

    /// <summary>Our half of the method; the client's exists from the moment it sends its value.</summary>
    public KeyAgreement? Agreement { get; set; }

    /// <summary>The client's public value, as it went over the wire.</summary>
    public byte[] ClientValue { get; set; } = [];

    /// <summary>Group exchange: what the client asked for, and what the server chose.</summary>
    public KexDhGexRequestMessage GroupRequest { get; set; }

    /// <summary>Group exchange: what the server chose.</summary>
    public DhGroup? Group { get; set; }

    /// <summary>Client: our first packet left along with KEXINIT, before the server's was known.</summary>
    public bool GuessSent { get; set; }

    /// <summary>The peer's next packet is a wrong guess.</summary>
    public bool SkipPacket { get; set; }

    /// <summary>The only message that is right next; KEXINIT while the peer's is still to come.</summary>
    public MessageId Expected { get; set; } = MessageId.KexInit;

    /// <summary>Waits for the peer's NEWKEYS.</summary>
    public PacketOpener? Opener { get; set; }

    /// <summary>H (RFC 4253 section 8, RFC 5656 section 4, RFC 4419 section 3).</summary>
    public byte[] ComputeHash(SshRole role, ReadOnlySpan<byte> localVersion, ReadOnlySpan<byte> remoteVersion, ReadOnlySpan<byte> hostKey,
        ReadOnlySpan<byte> serverValue, ReadOnlySpan<byte> encodedSecret)
    {
        bool client = role == SshRole.Client;
        using var transcript = new KexTranscript(Method!.Hash);
        transcript.String(client ? localVersion : remoteVersion);
        transcript.String(client ? remoteVersion : localVersion);
        transcript.String((client ? Local : Remote)!.Payload);
        transcript.String((client ? Remote : Local)!.Payload);
        transcript.String(hostKey);
        if (Group is { } group)
        {
            transcript.UInt32(GroupRequest.Min);
            transcript.UInt32(GroupRequest.Preferred);
            transcript.UInt32(GroupRequest.Max);
            transcript.Mpint(group.Prime);
            transcript.Mpint(group.Generator);
        }
        transcript.String(ClientValue);
        transcript.String(serverValue);
        transcript.Raw(encodedSecret);
        return transcript.Finish();
    }

    /// <summary>What both sides share now. <paramref name="encodedSecret"/> belongs to it from here on.</summary>
    public KexSecret Share(byte[] encodedSecret, byte[] exchangeHash) =>
        new(Method!.Hash, encodedSecret, exchangeHash, IsFirst ? exchangeHash : sessionId);

    /// <summary>Throws when the exchange was given up; to be asked behind everything that was waited for.</summary>
    public void EnsureAlive()
    {
        if (_ended)
            throw KexError.Ended();
    }

    /// <summary>The peer's opener, whose owner the caller becomes.</summary>
    public PacketOpener TakeOpener()
    {
        var opener = Opener ?? throw new InvalidOperationException("no keys were agreed on");
        Opener = null;
        return opener;
    }

    public void Dispose()
    {
        _ended = true;
        Agreement?.Dispose();
        Agreement = null;
        Opener?.Dispose();
        Opener = null;
    }
}
