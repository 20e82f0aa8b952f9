using System.Runtime.Versioning;
using System.Text;
using Adit.Server.Configuration;
using Adit.Server.Service;
using Adit.Server.Sessions;
using Adit.Server.Tests.Support;
using Adit.Server.Users;
using Adit.Ssh;
using Adit.Ssh.Authentication;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;

namespace Adit.Server.Tests.Sessions;

/// <summary>A server with sessions for the user that the tests run as, and a client that is logged in.</summary>
[SupportedOSPlatform("linux")]
internal sealed class SessionLab : IAsyncDisposable
{
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly PrivateKey _hostKey = PrivateKey.Generate("ed25519"), _userKey = PrivateKey.Generate("ed25519");
    private readonly TempFolder _folder = new();
    private SshServer? _server;

    public CapturingLogger Log { get; } = new();

    public SshClient Client { get; private set; } = null!;

    public SshServer Server => _server ?? throw new InvalidOperationException("the server is not started");

    public string Home => _folder.Path;

    /// <summary>The user's authorized_keys.</summary>
    public string KeysFile => _folder["keys"];

    /// <param name="config">Lines of sshd_config.</param>
    /// <param name="options">In front of the key in authorized_keys.</param>
    /// <param name="features">What sessions have besides.</param>
    public static async Task<SessionLab> StartAsync(string config = "", string options = "", params Func<SessionScope, ISessionFeature>[] features)
    {
        var lab = new SessionLab();
        var self = new SystemUsers().ProcessUid;
        var users = new FakeUsers { ProcessUid = self };
        users.Accounts["alice"] = new UserAccount("alice", self, self, lab.Home, "/bin/sh");
        var keys = lab._folder.Write("keys", $"{options}{(options.Length > 0 ? " " : "")}{lab._userKey.PublicKey.ToText()}\n");
        var parsed = SshdConfig.Parse($"{config}\nListenAddress 127.0.0.1:0\nStrictModes no\nPermitRootLogin yes\nUsePAM no\nAuthorizedKeysFile {keys}\n");
        var serverOptions = SshdOptions.Create(parsed, [lab._hostKey], users, lab.Log);
        if (features.Length > 0)
        {
            serverOptions.Services.Clear();
            serverOptions.Services.Add(new SessionService(users, null, lab.Log, features));
        }

        lab._server = new SshServer(serverOptions);
        await lab._server.StartAsync();
        lab.Client = await lab.ConnectAsync();
        return lab;
    }

    /// <param name="connect">In place of the client's own way to connect.</param>
    public Task<SshClient> ConnectAsync(Func<SshClientOptions, CancellationToken, ValueTask<Stream>>? connect = null) => SshClient.ConnectAsync(new SshClientOptions
    {
        ConnectCallback = connect,
        Host = "127.0.0.1",
        Port = _server!.BoundEndpoints[0].Port,
        UserName = "alice",
        Credentials = { Credential.Key(_userKey) },
        HostKeyVerifier = new Trust(_hostKey.PublicKey),
        ConnectTimeout = Deadline,
    });

    /// <summary>Runs a command to its end.</summary>
    public async Task<(SessionExit Exit, string Output, string Error)> RunAsync(string command, string input = "")
    {
        await using var session = await Client.OpenSessionAsync().WaitAsync(Deadline);
        Assert.True(await session.ExecuteAsync(command).WaitAsync(Deadline), "exec was refused");
        return await FinishAsync(session, input);
    }

    public static async Task<(SessionExit Exit, string Output, string Error)> FinishAsync(SshSession session, string input = "")
    {
        var output = ReadAsync(session.Output);
        var error = ReadAsync(session.Error);
        if (input.Length > 0)
        {
            await session.Input.WriteAsync(Encoding.UTF8.GetBytes(input)).AsTask().WaitAsync(Deadline);
        }

        session.CompleteInput();
        return (await session.Completion.WaitAsync(Deadline), await output.WaitAsync(Deadline), await error.WaitAsync(Deadline));
    }

    public async ValueTask DisposeAsync()
    {
        if (Client is not null)
        {
            await Client.DisposeAsync();
        }

        if (_server is not null)
        {
            await _server.StopAsync(TimeSpan.Zero).WaitAsync(Deadline);
            await _server.DisposeAsync();
        }

        _hostKey.Dispose();
        _userKey.Dispose();
        _folder.Dispose();
    }

    private static async Task<string> ReadAsync(Stream stream)
    {
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return await reader.ReadToEndAsync();
    }

    private sealed class Trust(PublicKey key) : IHostKeyVerifier
    {
        public IReadOnlyList<string> KnownKeyTypes(string host, int port) => [];

        public ValueTask VerifyAsync(HostKeyContext context, CancellationToken cancellationToken) =>
            context.Key.Equals(key) ? ValueTask.CompletedTask : throw new SshException(SshError.HostKeyChanged, "another key");
    }
}
