using System.Net;
using System.Threading.Channels;
using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Server.Sessions;
using Adit.Server.Tests.Support;
using Adit.Server.Users;
using Adit.Ssh;
using Adit.Ssh.Authentication;
using Adit.Ssh.Connection;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;

namespace Adit.Server.Tests.Sessions;

/// <summary>A server with the forwarded agent and just enough of sessions around it, and a client that is logged in: requests for a feature go to it, "exec" prepares a
/// program's environment.</summary>
internal sealed class AgentSessions : IConnectionService, IAsyncDisposable
{
    private static readonly PrivateKey HostKey = PrivateKey.Generate("ed25519");

    private readonly PrivateKey _key = PrivateKey.Generate("ed25519");

    private AgentSessions(string config, TimeProvider clock) => Login = new Login(config) { Clock = clock };

    /// <summary>The account and its files.</summary>
    public Login Login { get; }

    /// <summary>Where the sockets' folders are made: a folder as /tmp is.</summary>
    public TempFolder Parent { get; } = new();

    public ManualClock Clock => (ManualClock)Login.Clock;

    /// <summary>What the client says.</summary>
    public CapturingLogger ClientLog { get; } = new();

    /// <summary>Environments of the programs that were started, in their order.</summary>
    public Channel<Dictionary<string, string>> Started { get; } = Channel.CreateUnbounded<Dictionary<string, string>>();

    public SshServer Server { get; private set; } = null!;

    public SshClient Client { get; private set; } = null!;

    /// <summary>The server's end of the client's connection.</summary>
    public SshConnection Served { get; private set; } = null!;

    /// <param name="options">In front of the key's line in authorized_keys.</param>
    /// <param name="config">sshd_config.</param>
    /// <param name="signer">What logs in; null for that key.</param>
    /// <param name="connect">In place of the client's own way to connect.</param>
    public static async Task<AgentSessions> ConnectAsync(string options = "", string config = "", ISigner? signer = null, Func<SshClientOptions, CancellationToken, ValueTask<Stream>>? connect = null)
    {
        var sessions = new AgentSessions(config, new ManualClock());
        File.SetUnixFileMode(sessions.Parent.Path, (UnixFileMode)0b1_111_111_111);
        sessions.Authorize(options);
        var server = new SshServerOptions
        {
            Authenticator = new AuthorizedKeysAuthenticator(sessions.Login.Live, sessions.Login.Users, sessions.Login.Log, sessions.Clock),
            LoggerFactory = sessions.Login.Log,
        };
        server.Endpoints.Add(new IPEndPoint(IPAddress.Loopback, 0));
        server.HostKeys.Add(HostKey);
        server.Services.Add(sessions);
        sessions.Server = new SshServer(server);
        await sessions.Server.StartAsync();
        sessions.Client = await SshClient.ConnectAsync(new SshClientOptions
        {
            ConnectCallback = connect,
            Host = "127.0.0.1",
            Port = sessions.Server.BoundEndpoints[0].Port,
            UserName = "alice",
            Credentials = { Credential.Key(signer ?? sessions._key) },
            HostKeyVerifier = new Trust(),
            LoggerFactory = sessions.ClientLog,
        });
        return sessions;
    }

    /// <summary>Gives the client's key other options; they count from the next second on.</summary>
    public void Authorize(string options)
    {
        Login.Authorize($"{(options.Length > 0 ? options + " " : "")}{_key.PublicKey.ToText()}");
        Clock.Advance(TimeSpan.FromSeconds(2));
    }

    /// <summary>Replaces the configuration, as a reload does.</summary>
    public void Configure(string config) => Login.Live.Replace(SshdConfig.Parse(config));

    /// <summary>SSH_AUTH_SOCK of a program in a session; null where it has none.</summary>
    public async Task<string?> StartAsync(SshSession session)
    {
        await session.ExecuteAsync("program");
        return (await Started.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30))).GetValueOrDefault("SSH_AUTH_SOCK");
    }

    public IAsyncDisposable Attach(ServiceContext context)
    {
        var sockets = new UserUnixSockets(SshdConfig.Default, Login.Users, Login.Log);
        var feature = new AgentForwardingFeature(new SessionScope(context, (ServerLogin)context.Principal.State!, null!), Login.Users, sockets, Clock) { Parent = Parent.Path };
        Served = context.Connection;
        context.Connection.Handle("session", new Sessions(this, feature));
        return feature;
    }

    public async ValueTask DisposeAsync()
    {
        await Client.DisposeAsync();
        await Server.DisposeAsync();
        Assert.Empty(Directory.GetFileSystemEntries(Parent.Path));
        Parent.Dispose();
        Login.Dispose();
    }

    private sealed class Sessions(AgentSessions owner, AgentForwardingFeature feature) : IChannelHandler
    {
        public ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
        {
            request.Accept(new Sink(owner, feature));
            return ValueTask.CompletedTask;
        }
    }

    private sealed class Sink(AgentSessions owner, AgentForwardingFeature feature) : IChannelSink
    {
        private SshChannel? _channel;
        private Task _last = Task.CompletedTask;

        public void OnOpened(SshChannel channel) => _channel = channel;

        public void OnData(ReadOnlyMemory<byte> data) => _channel!.Credit(data.Length);

        public void OnBatchEnd()
        {
        }

        public void OnEof()
        {
        }

        public void OnClosed(SshException? reason)
        {
            _channel?.Close();
            _last = EndAsync(_last);
        }

        public ChannelRequestAnswer OnRequest(string type, ReadOnlySpan<byte> data, bool wantReply)
        {
            _last = AnswerAsync(_last, type, data.ToArray(), wantReply);
            return ChannelRequestAnswer.Later;
        }

        private async Task AnswerAsync(Task before, string type, byte[] data, bool wantReply)
        {
            await before;
            await Task.Yield();
            var answer = type == "exec" || await feature.HandleRequestAsync(this, type, data, CancellationToken.None) == true;
            if (type == "exec")
            {
                var environment = new Dictionary<string, string>();
                await feature.PrepareAsync(this, environment, CancellationToken.None);
                owner.Started.Writer.TryWrite(environment);
            }

            if (wantReply)
            {
                _channel!.Answer(answer);
            }
        }

        private async Task EndAsync(Task before)
        {
            await before;
            await feature.EndAsync(this);
        }
    }

    private sealed class Trust : IHostKeyVerifier
    {
        public IReadOnlyList<string> KnownKeyTypes(string host, int port) => [];

        public ValueTask VerifyAsync(HostKeyContext context, CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }
}
