using Adit.Ssh.Authentication;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>Our client against a server that a test writes message by message.</summary>
internal sealed class ClientScript
{
    private readonly MemoryExchange _server;
    private readonly LoginHarness _harness = new();
    private readonly Task<ClientAuthenticationResult> _client;

    public ClientScript(params Credential[] credentials)
        : this(TestKeys.DefaultAlgorithms, TestKeys.DefaultAlgorithms, credentials)
    {
    }

    public ClientScript(string[] clientAlgorithms, string[]? serverAlgorithms, params Credential[] credentials)
    {
        _harness = new LoginHarness { ClientAlgorithms = clientAlgorithms };
        _server = _harness.Server;
        _harness.Client.Extensions = new PeerExtensions { ServerSignatureAlgorithms = serverAlgorithms };
        _client = ClientAuthenticator.AuthenticateAsync(_harness.Client, _harness.ClientOptions(credentials), CancellationToken.None);
    }

    public ListLogger Log => _harness.ClientLog;

    public List<string> Banners => _harness.Banners;

    public MemoryExchange Client => _harness.Client;

    public void Send(byte[] payload) => _server.Send(payload);

    /// <summary>What the client sends next.</summary>
    public async Task<byte[]> ReceiveAsync()
    {
        var receive = _server.ReceiveAsync(CancellationToken.None).AsTask();
        if (await LoginHarness.WithinAsync(Task.WhenAny(receive, _client)) == _client && !receive.IsCompleted)
            await _client;
        return await LoginHarness.WithinAsync(receive);
    }

    /// <summary>Sends and takes the client's next message.</summary>
    public async Task<byte[]> AskAsync(byte[] payload)
    {
        Send(payload);
        return await ReceiveAsync();
    }

    /// <summary>Up to the client's first real attempt, which is returned.</summary>
    public async Task<byte[]> StartAsync(string methods)
    {
        Assert.Equal(Scripts.ServiceRequest(), await ReceiveAsync());
        Assert.Equal(Scripts.None(), await AskAsync(Scripts.ServiceAccept));
        return await AskAsync(Scripts.Failure(methods));
    }

    public Task<ClientAuthenticationResult> ResultAsync() => LoginHarness.WithinAsync(_client);

    public Task<SshException> EndAsync() => Assert.ThrowsAsync<SshException>(() => LoginHarness.WithinAsync(_client));

    public void HangUp(SshException reason) => _server.End(reason);
}
