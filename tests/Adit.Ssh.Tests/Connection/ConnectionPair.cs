using Adit.Ssh.Authentication;
using Adit.Ssh.Connection;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Connection;

/// <summary>A client and a server connection of ours, wired together in memory and logged in (method none), with the channel layer bare.</summary>
internal sealed class ConnectionPair : IAsyncDisposable
{
    private static readonly PrivateKey HostKey = PrivateKey.Generate("ssh-ed25519");

    public required SshTransport ClientTransport { get; init; }

    public required SshTransport ServerTransport { get; init; }

    public required SshConnection Client { get; init; }

    public required SshConnection Server { get; init; }

    /// <summary>Makes the pair. <paramref name="setUp"/> sees the server's connection before login.</summary>
    public static async Task<ConnectionPair> ConnectAsync(
        Action<SshConnection>? setUp = null, int maxRead = int.MaxValue, int capacity = 64, RekeyLimit? rekey = null, AlgorithmPreferences? algorithms = null,
        WindowBudget? budget = null, int maxChannels = 65536, Func<Stream, ByteTransport>? wrap = null)
    {
        var (a, b) = MemoryDuplex.Pair(maxRead, capacity);
        wrap ??= stream => new StreamTransport(stream);
        return await ConnectAsync(wrap(a), wrap(b), setUp, rekey, algorithms, budget, maxChannels);
    }

    public static async Task<ConnectionPair> ConnectAsync(ByteTransport a, ByteTransport b, Action<SshConnection>? setUp = null, RekeyLimit? rekey = null,
        AlgorithmPreferences? algorithms = null, WindowBudget? budget = null, int maxChannels = 65536)
    {
        algorithms ??= Algorithms.DefaultPreferences;
        var client = new SshTransport(a, new TransportOptions
        {
            Role = SshRole.Client,
            Algorithms = algorithms,
            VerifyHostKey = (key, _) => key.Equals(HostKey.PublicKey) ? ValueTask.CompletedTask : throw new SshException(SshError.HostKeyChanged, "another key"),
            RekeyLimit = rekey ?? RekeyLimit.Default,
        });
        var server = new SshTransport(b, new TransportOptions
        {
            Role = SshRole.Server,
            Algorithms = algorithms,
            HostKeys = [HostKey],
            RekeyLimit = rekey ?? RekeyLimit.Default,
        });
        await Task.WhenAll(client.HandshakeAsync(default), server.HandshakeAsync(default)).WaitAsync(TimeSpan.FromSeconds(60));
        var options = new ConnectionOptions { WindowBudget = budget ?? new WindowBudget(1L << 30), MaxChannels = maxChannels };
        var pair = new ConnectionPair
        {
            ClientTransport = client,
            ServerTransport = server,
            Client = new SshConnection(client, options),
            Server = new SshConnection(server, options),
        };
        setUp?.Invoke(pair.Server);
        await Task.WhenAll(LogInAsync(client), AdmitAsync(server)).WaitAsync(TimeSpan.FromSeconds(60));
        return pair;
    }

    public async ValueTask DisposeAsync()
    {
        await ClientTransport.DisposeAsync();
        await ServerTransport.DisposeAsync();
        await Client.WhenIdleAsync();
        await Server.WhenIdleAsync();
    }

    private static async Task LogInAsync(SshTransport transport) =>
        await ClientAuthenticator.AuthenticateAsync(transport, new ClientAuthenticationOptions
        {
            UserName = "test",
            Host = "memory",
            PubkeyAcceptedAlgorithms = [],
        }, default);

    private static async Task AdmitAsync(SshTransport transport) =>
        await ServerAuthenticator.RunAsync(transport, new Anybody(), new ServerAuthenticationOptions
        {
            Peer = new AuthenticationPeer("memory", 1, "memory", 2, transport.RemoteVersion, 1),
            PubkeyAcceptedAlgorithms = [],
        }, default);

    private sealed class Anybody : IUserAuthenticator
    {
        public ValueTask<AuthenticationDecision> AuthenticateAsync(UserAuthenticationRequest request, CancellationToken cancellationToken) =>
            new(new AuthenticationDecision.Accepted(new SshPrincipal { UserName = request.UserName, Method = "none" }));
    }
}

/// <summary>Accepts every channel with a sink that the test makes.</summary>
internal sealed class AcceptAll(Func<IncomingChannel, IChannelSink> makeSink) : IChannelHandler
{
    public ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
    {
        request.Accept(makeSink(request));
        return ValueTask.CompletedTask;
    }
}

/// <summary>Answers nothing, a CLOSE included, so that the channel stays the peer's to speak on.</summary>
internal sealed class SilentSink : IChannelSink
{
    public TaskCompletionSource<SshChannel> Opened { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource Closed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void OnOpened(SshChannel channel) => Opened.TrySetResult(channel);

    public void OnData(ReadOnlyMemory<byte> data)
    {
    }

    public void OnBatchEnd()
    {
    }

    public void OnEof()
    {
    }

    public void OnClosed(SshException? reason) => Closed.TrySetResult();
}

/// <summary>Refuses every channel.</summary>
internal sealed class RefuseAll : IChannelHandler
{
    public ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
    {
        request.Reject(OpenFailureReason.AdministrativelyProhibited, "no");
        return ValueTask.CompletedTask;
    }
}
