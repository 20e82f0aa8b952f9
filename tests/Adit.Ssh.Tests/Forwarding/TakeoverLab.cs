using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Authentication;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>A server whose clock the test moves, and clients of several users whose ways to it can be cut.</summary>
internal sealed class TakeoverLab : IAsyncDisposable
{
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private static readonly PrivateKey HostKey = PrivateKey.Generate("ssh-ed25519");
    private static readonly PrivateKey[] UserKeys = [PrivateKey.Generate("ssh-ed25519"), PrivateKey.Generate("ssh-ed25519")];

    private readonly SshServer _server;
    private readonly ConcurrentBag<SshClient> _clients = [];

    private TakeoverLab(SshServer server, SignallingLogger log, ManualTime time) => (_server, Log, Time) = (server, log, time);

    public SignallingLogger Log { get; }

    public ManualTime Time { get; }

    public static async Task<TakeoverLab> StartAsync(Action<SshServerOptions>? configure = null)
    {
        var (log, time) = (new SignallingLogger(), new ManualTime());
        var options = new SshServerOptions
        {
            Endpoints = { new IPEndPoint(IPAddress.Loopback, 0) },
            HostKeys = { HostKey },
            Authenticator = new Anybody(),
            ForwardingPolicy = new AllowAll(),
            TimeProvider = time,
            LoggerFactory = log,
        };
        configure?.Invoke(options);
        var server = new SshServer(options);
        await server.StartAsync();
        return new TakeoverLab(server, log, time);
    }

    /// <param name="user">Whose session.</param>
    /// <param name="key">The user's first or second key; -1 for a password.</param>
    public async Task<TakeoverClient> ConnectAsync(string user = "alice", int key = 0)
    {
        var said = new SignallingLogger();
        Cuttable? way = null;
        var options = new SshClientOptions
        {
            Host = "server",
            UserName = user,
            HostKeyVerifier = new Trust(),
            KeepAliveInterval = TimeSpan.Zero,
            LoggerFactory = said,
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                await socket.ConnectAsync(_server.BoundEndpoints[0], cancellationToken);
                return way = new Cuttable(new NetworkStream(socket, ownsSocket: true));
            },
        };
        options.Credentials.Add(key < 0 ? Credential.Password("secret") : Credential.Key(UserKeys[key]));
        var client = await SshClient.ConnectAsync(options).WaitAsync(Deadline);
        _clients.Add(client);
        return new TakeoverClient(client, way!, said);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients)
            await client.DisposeAsync();
        await _server.DisposeAsync();
    }

    private sealed class AllowAll : IForwardingPolicy
    {
        public ValueTask<ForwardingDecision> DecideAsync(ForwardingRequest request, CancellationToken cancellationToken) =>
            new(ForwardingDecision.Allow with { GatewayPorts = GatewayPorts.ClientSpecified });
    }

    private sealed class Trust : IHostKeyVerifier
    {
        public IReadOnlyList<string> KnownKeyTypes(string host, int port) => [HostKey.PublicKey.KeyType];

        public ValueTask VerifyAsync(HostKeyContext context, CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }

    private sealed class Anybody : IUserAuthenticator
    {
        public ValueTask<AuthenticationDecision> AuthenticateAsync(UserAuthenticationRequest request, CancellationToken cancellationToken) => new(request switch
        {
            PublicKeyRequest asked => new AuthenticationDecision.Accepted(new SshPrincipal { UserName = request.UserName, Key = asked.Key }),
            PasswordRequest => new AuthenticationDecision.Accepted(new SshPrincipal { UserName = request.UserName }),
            _ => new AuthenticationDecision.Denied(["publickey", "password"]),
        });
    }
}

/// <summary>A client, the way it takes, and what it said.</summary>
internal sealed record TakeoverClient(SshClient Client, Cuttable Way, SignallingLogger Said)
{
    public Task<RemoteForward> ListenAsync(int port, string host = "127.0.0.1", int destination = 1) =>
        Client.ForwardRemoteAsync(ForwardAddress.Tcp(host, port), ForwardAddress.Tcp("127.0.0.1", destination)).WaitAsync(TakeoverLab.Deadline);
}

/// <summary>A stream that can be cut like a link: no end is seen on either side, only silence.</summary>
internal sealed class Cuttable(Stream inner) : Stream
{
    private readonly CancellationTokenSource _closed = new();

    /// <summary>Nothing more is received.</summary>
    public bool IsDeaf { get; set; }

    /// <summary>Nothing more is sent.</summary>
    public bool IsMute { get; set; }

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public void Cut() => IsDeaf = IsMute = true;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int count = await inner.ReadAsync(buffer, cancellationToken);
        if (IsDeaf)
            await Task.Delay(Timeout.Infinite, _closed.Token).ContinueWith(static _ => { }, TaskScheduler.Default);
        return IsDeaf ? 0 : count;
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        IsMute ? ValueTask.CompletedTask : inner.WriteAsync(buffer, cancellationToken);

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        _closed.Cancel();
        inner.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>Remembers lines, and tells whoever waits for them.</summary>
internal sealed class SignallingLogger : ILoggerFactory, ILogger
{
    private readonly Lock _lock = new();
    private readonly List<string> _lines = [];
    private TaskCompletionSource _more = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string[] Lines
    {
        get
        {
            lock (_lock)
                return [.. _lines];
        }
    }

    /// <summary>Completes when so many lines hold <paramref name="text"/>.</summary>
    public async Task WhenSaidAsync(string text, int times = 1)
    {
        while (true)
        {
            Task more;
            lock (_lock)
            {
                if (_lines.Count(line => line.Contains(text, StringComparison.Ordinal)) >= times)
                    return;
                more = _more.Task;
            }
            await more.WaitAsync(TakeoverLab.Deadline);
        }
    }

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (_lock)
        {
            _lines.Add(formatter(state, exception));
            _more.TrySetResult();
            _more = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    public void Dispose()
    {
    }
}
