using System.Buffers.Binary;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Transport;

/// <summary>One end of a connection in memory: a session behind its gate, sealing what leaves and opening what comes with the keys the session made.</summary>
internal sealed class KexTestEnd : IKexSink, IDisposable
{
    private PacketSealer? _sealer;
    private PacketOpener? _opener;
    private uint _sendSequence;
    private uint _receiveSequence;

    public KexTestEnd(SshRole role, KexOptions options, string version)
    {
        Role = role;
        Version = version;
        Gate = new PhaseGate(role);
        Session = new KexSession(role, options, System.Text.Encoding.ASCII.GetBytes(version), Gate, this);
    }

    public SshRole Role { get; }

    public string Version { get; }

    public PhaseGate Gate { get; }

    public KexSession Session { get; }

    /// <summary>Frames under way to the other end.</summary>
    public Queue<byte[]> Outgoing { get; } = new();

    /// <summary>Payloads that are no business of the key exchange.</summary>
    public List<byte[]> Received { get; } = [];

    /// <summary>Numbers of all payloads sent, in order.</summary>
    public List<byte> Sent { get; } = [];

    public List<bool> Completed { get; } = [];

    public uint SendSequence => _sendSequence;

    public PublicKey? VerifiedKey { get; private set; }

    public int Verifications { get; private set; }

    public Func<PublicKey, CancellationToken, ValueTask>? VerifyHostKey { get; set; }

    /// <summary>Looks at or replaces a payload before it is sealed.</summary>
    public Func<byte[], byte[]>? Rewrite { get; set; }

    /// <summary>Set when this end ended the connection.</summary>
    public SshException? Fault { get; private set; }

    public void SendKexPacket(ReadOnlySpan<byte> payload) => Send(payload);

    public void Send(ReadOnlySpan<byte> payload)
    {
        byte[] message = Rewrite?.Invoke(payload.ToArray()) ?? payload.ToArray();
        Sent.Add(message[0]);
        Outgoing.Enqueue(Seal(message));
    }

    public void SwitchOutbound(PacketSealer sealer, string compression, bool resetSequence)
    {
        Assert.Equal(21, Sent[^1]);
        Assert.True(Session.OutboundBlocked);
        _sealer?.Dispose();
        _sealer = sealer;
        if (resetSequence)
            _sendSequence = 0;
    }

    public void SwitchInbound(PacketOpener opener, string compression, bool resetSequence)
    {
        _opener?.Dispose();
        _opener = opener;
        if (resetSequence)
            _receiveSequence = 0;
    }

    public async ValueTask VerifyHostKeyAsync(PublicKey key, CancellationToken cancellationToken)
    {
        Verifications++;
        Assert.Equal(SshRole.Client, Role);
        Assert.Null(_sealer); // INVARIANT 4: NEWKEYS has not left
        if (VerifyHostKey is not null)
            await VerifyHostKey(key, cancellationToken);
        VerifiedKey = key;
    }

    public void KexCompleted(bool first)
    {
        Assert.False(Session.InProgress);
        Completed.Add(first);
    }

    /// <summary>Takes one frame as the transport's receive loop does.</summary>
    public async Task ReceiveAsync(byte[] frame)
    {
        try
        {
            byte[] payload = Open(frame) ?? throw new SshException(SshError.IntegrityError, "Corrupted MAC on input.");
            switch (Gate.Check(payload[0]))
            {
                case GateVerdict.Disconnect:
                    throw Gate.Violation(payload[0]);
                case GateVerdict.Accept when payload[0] is >= 20 and <= 49:
                    await Session.ReceiveAsync((MessageId)payload[0], payload, CancellationToken.None);
                    break;
                case GateVerdict.Accept:
                    Received.Add(payload);
                    break;
            }
        }
        catch (SshException e)
        {
            Fault = e;
            Session.Dispose();
        }
    }

    public void Dispose()
    {
        Session.Dispose();
        _sealer?.Dispose();
        _opener?.Dispose();
    }

    private byte[] Seal(byte[] payload)
    {
        int block = _sealer?.BlockSize ?? 8;
        int outside = _sealer is { LengthIsOutside: true } ? 0 : 4;
        int padding = block - (outside + 1 + payload.Length) % block;
        if (padding < 4)
            padding += block;
        int length = 1 + payload.Length + padding;
        var frame = new byte[4 + length + (_sealer?.TagLength ?? 0)];
        BinaryPrimitives.WriteInt32BigEndian(frame, length);
        frame[4] = (byte)padding;
        payload.CopyTo(frame, 5);
        _sealer?.Seal(_sendSequence, frame);
        _sendSequence++;
        return frame;
    }

    private byte[]? Open(byte[] frame)
    {
        uint length = BinaryPrimitives.ReadUInt32BigEndian(frame);
        if (_opener is not null)
        {
            length = _opener.OpenLength(_receiveSequence, frame.AsSpan(0, _opener.HeaderLength));
            if (length != frame.Length - 4 - _opener.TagLength || !_opener.Open(_receiveSequence, frame))
                return null;
        }
        else if (length != frame.Length - 4 || frame[4] + 1 >= length)
            return null; // sealed with keys that this end does not have
        _receiveSequence++;
        return frame.AsSpan(5, (int)length - 1 - frame[4]).ToArray();
    }
}

/// <summary>Two ends back to back.</summary>
internal sealed class KexTestPair : IDisposable
{
    public KexTestPair(KexOptions client, KexOptions server)
    {
        Client = new KexTestEnd(SshRole.Client, client, "SSH-2.0-Client_1");
        Server = new KexTestEnd(SshRole.Server, server, "SSH-2.0-Server_1 test");
        Client.Session.RemoteVersion = System.Text.Encoding.ASCII.GetBytes(Server.Version);
        Server.Session.RemoteVersion = System.Text.Encoding.ASCII.GetBytes(Client.Version);
    }

    public KexTestEnd Client { get; }

    public KexTestEnd Server { get; }

    public KexTestEnd Other(KexTestEnd end) => end == Client ? Server : Client;

    /// <summary>Both sides start; everything is delivered.</summary>
    public async Task ConnectAsync()
    {
        Client.Session.Start();
        Server.Session.Start();
        await PumpAsync();
    }

    public async Task ConnectAndLogInAsync()
    {
        await ConnectAsync();
        await LogInAsync();
    }

    /// <summary>Takes both gates to the connection phase.</summary>
    public async Task LogInAsync()
    {
        Client.Gate.AuthenticationRequestSent();
        Client.Send([50]);
        await PumpAsync();
        Server.Gate.EnterConnection();
        Server.Send([52]);
        await PumpAsync();
        Assert.Equal(SshPhase.Connection, Client.Gate.Phase);
        Client.Received.Clear();
        Server.Received.Clear();
    }

    /// <summary>Delivers until nothing is under way or one end gave up. With a random source the order of the two directions is random.</summary>
    public async Task PumpAsync(Random? random = null)
    {
        while (Client.Fault is null && Server.Fault is null && (Client.Outgoing.Count > 0 || Server.Outgoing.Count > 0))
        {
            var from = Client.Outgoing.Count > 0 && (Server.Outgoing.Count == 0 || random is null || random.Next(2) == 0) ? Client : Server;
            await DeliverAsync(from);
        }
    }

    /// <summary>Delivers one frame.</summary>
    public Task DeliverAsync(KexTestEnd from) => Other(from).ReceiveAsync(from.Outgoing.Dequeue());

    /// <summary>Both ends completed as many exchanges and agree on everything; data passes both ways.</summary>
    public async Task AssertEqualAsync(int exchanges)
    {
        Assert.Null(Client.Fault);
        Assert.Null(Server.Fault);
        foreach (var end in (KexTestEnd[])[Client, Server])
        {
            Assert.Equal([true, .. Enumerable.Repeat(false, exchanges - 1)], end.Completed);
            Assert.False(end.Session.InProgress);
            Assert.False(end.Session.OutboundBlocked);
            Assert.False(end.Session.SessionId.IsEmpty);
        }
        Assert.Equal(Client.Session.SessionId.ToArray(), Server.Session.SessionId.ToArray());
        Assert.Equal(Client.Session.Algorithms, Server.Session.Algorithms);
        Assert.Equal(Client.Session.StrictKex, Server.Session.StrictKex);
        Assert.Equal(Client.Session.HostKey, Server.Session.HostKey);
        Assert.Equal(1, Client.Verifications);
        await AssertDataPassesAsync();
    }

    public async Task AssertDataPassesAsync()
    {
        Client.Received.Clear();
        Server.Received.Clear();
        byte[] message = [2, 0, 0, 0, 3, 1, 2, 3];
        Client.Send(message);
        Server.Send(message);
        await PumpAsync();
        Assert.Null(Client.Fault);
        Assert.Null(Server.Fault);
        Assert.Equal(message, Assert.Single(Client.Received));
        Assert.Equal(message, Assert.Single(Server.Received));
    }

    public void Dispose()
    {
        Client.Dispose();
        Server.Dispose();
    }
}

/// <summary>Keys and options for these tests.</summary>
internal static class KexTestOptions
{
    private static readonly Dictionary<string, PrivateKey> Keys = new()
    {
        ["ssh-ed25519"] = PrivateKey.Generate("ed25519"),
        ["ssh-rsa"] = PrivateKey.Generate("rsa", 2048),
        ["ecdsa-sha2-nistp256"] = PrivateKey.Generate("ecdsa-sha2-nistp256"),
        ["ecdsa-sha2-nistp384"] = PrivateKey.Generate("ecdsa-sha2-nistp384"),
        ["ecdsa-sha2-nistp521"] = PrivateKey.Generate("ecdsa-sha2-nistp521"),
    };

    public static PrivateKey Key(string type) => Keys[type];

    public static IReadOnlyList<ISigner> AllKeys { get; } = [.. Keys.Values];

    public static KexOptions Client(AlgorithmPreferences? algorithms = null, bool guess = false, bool strict = true, params string[] knownTypes) => new()
    {
        Algorithms = algorithms ?? Prefer(),
        SendGuess = guess,
        OfferStrict = strict,
        KnownHostKeyTypes = knownTypes,
        RemoteAddress = "192.0.2.1",
        RemotePort = 22,
    };

    public static KexOptions Server(AlgorithmPreferences? algorithms = null, bool strict = true, IReadOnlyList<ISigner>? keys = null) => new()
    {
        Algorithms = algorithms ?? Prefer(),
        OfferStrict = strict,
        HostKeys = keys ?? AllKeys,
        RemoteAddress = "192.0.2.2",
        RemotePort = 50000,
    };

    /// <summary>The defaults, with some lists replaced.</summary>
    public static AlgorithmPreferences Prefer(string? keyExchange = null, string? hostKey = null, string? cipher = null, string? mac = null,
        string? compression = null)
    {
        var defaults = Algorithms.DefaultPreferences;
        return new AlgorithmPreferences
        {
            KeyExchange = keyExchange?.Split(',') ?? defaults.KeyExchange,
            HostKey = hostKey?.Split(',') ?? defaults.HostKey,
            Ciphers = cipher?.Split(',') ?? defaults.Ciphers,
            Macs = mac?.Split(',') ?? defaults.Macs,
            Compression = compression?.Split(',') ?? defaults.Compression,
            PublicKey = defaults.PublicKey,
        };
    }
}
