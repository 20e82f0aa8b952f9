using Adit.Ssh.Authentication;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>Our server against a client that a test writes message by message.</summary>
internal sealed class ServerScript
{
    private readonly MemoryExchange _client;
    private readonly Task<SshPrincipal> _server;

    public ServerScript(ScriptedAuthenticator authenticator, int maxAuthTries = 6, int maxRequests = 128, string[]? algorithms = null, CancellationToken connection = default)
    {
        Authenticator = authenticator;
        (_client, Server) = MemoryExchange.Pair(Time);
        _server = ServerAuthenticator.RunAsync(
            Server,
            authenticator,
            new ServerAuthenticationOptions
            {
                Peer = LoginHarness.Peer,
                PubkeyAcceptedAlgorithms = algorithms ?? TestKeys.DefaultAlgorithms,
                MaxAuthTries = maxAuthTries,
                MaxRequests = maxRequests,
                Progress = Progress,
                Logger = Log,
                TimeProvider = Time,
            },
            connection);
    }

    public ScriptedAuthenticator Authenticator { get; }

    public MemoryExchange Server { get; }

    public FakeTime Time { get; } = new();

    public ListLogger Log { get; } = new();

    public LoginProgress Progress { get; } = new();

    public byte[] SessionId => Server.SessionId.ToArray();

    public void Send(byte[] payload) => _client.Send(payload);

    /// <summary>Sends one message and takes the answer.</summary>
    public async Task<byte[]> AskAsync(byte[] payload)
    {
        Send(payload);
        return await ReceiveAsync();
    }

    /// <summary>The next message from the server; its error when it ended instead.</summary>
    public async Task<byte[]> ReceiveAsync()
    {
        var receive = _client.ReceiveAsync(CancellationToken.None).AsTask();
        if (await LoginHarness.WithinAsync(Task.WhenAny(receive, _server)) == _server && !receive.IsCompleted)
            await _server;
        return await LoginHarness.WithinAsync(receive);
    }

    public async Task StartServiceAsync() => Assert.Equal(6, (await AskAsync(Scripts.ServiceRequest()))[0]);

    /// <summary>The server let somebody in.</summary>
    public Task<SshPrincipal> PrincipalAsync() => LoginHarness.WithinAsync(_server);

    /// <summary>The server ended the connection, and let nobody in.</summary>
    public async Task<SshException> EndAsync()
    {
        var error = await Assert.ThrowsAsync<SshException>(() => LoginHarness.WithinAsync(_server));
        Assert.False(Server.IsComplete);
        Assert.DoesNotContain(Log.Lines, l => l.Level == LogLevel.Critical);
        return error;
    }

    /// <summary>Hangs up as a client does.</summary>
    public void HangUp() => _client.End(new SshException(SshError.ConnectionLost, "Connection closed"));
}
