using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Server.Sessions;
using Adit.Server.Tests.Support;
using Adit.Ssh;
using Adit.Ssh.Authentication;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;

namespace Adit.Server.Tests.Sessions;

/// <summary>Tunnel devices of the server (PermitTunnel), towards clients that want more than they may.</summary>
public class TunnelTests
{
    private const string Device = "/dev/net/tun", Ip = "/usr/sbin/ip";
    private const uint PointToPoint = 1, Ethernet = 2, Any = TunnelFrames.AnyUnit;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    /// <summary>Units that nobody else is likely to have.</summary>
    private static readonly uint Unit = 10_000 + ((uint)Environment.ProcessId % 10_000 * 10);

    [TheoryNeeding(Need.Root, Device)]
    [InlineData("", "", PointToPoint, "PermitTunnel no")]
    [InlineData("PermitTunnel no", "", Ethernet, "PermitTunnel no")]
    [InlineData("PermitTunnel ethernet", "", PointToPoint, "PermitTunnel ethernet")]
    [InlineData("PermitTunnel point-to-point", "", Ethernet, "PermitTunnel point-to-point")]
    [InlineData("PermitTunnel yes\nDisableForwarding yes", "", PointToPoint, "DisableForwarding")]
    [InlineData("PermitTunnel yes", "restrict ", PointToPoint, "restrict")]
    [InlineData("PermitTunnel yes", "", 0u, "mode")]
    [InlineData("PermitTunnel yes", "", 3u, "mode")]
    [InlineData("PermitTunnel yes", "", 0x80000001u, "mode")]
    [InlineData("PermitTunnel yes", "", PointToPoint, "no such tunnel device", 0x7ffffffeu)]
    [InlineData("PermitTunnel yes", "", PointToPoint, "no such tunnel device", 0xffffffffu)]
    [InlineData("PermitTunnel yes", "tunnel=\"3\" ", PointToPoint, "tunnel option", 4u)]
    public async Task What_is_not_permitted_is_refused_with_its_rule(string config, string options, uint mode, string rule, uint unit = Any)
    {
        await using var lab = await Lab.ConnectAsync(config, options);
        var e = await Assert.ThrowsAsync<SshException>(() => lab.OpenAsync(mode, unit));
        Assert.Equal(SshError.ChannelOpenFailed, e.Error);
        Assert.Contains("connect failed: open failed", e.Message, StringComparison.Ordinal);
        Assert.Contains(rule, $"{e.Message} {e.Hint}", StringComparison.Ordinal);
        Assert.True(await lab.IsAliveAsync());
    }

    [FactNeeding(Need.Root, Device)]
    public async Task A_malformed_open_message_opens_nothing()
    {
        foreach (var data in new byte[][] { [], [0, 0, 0, 1], [0, 0, 0, 1, 0, 0, 0, 1, 0] })
        {
            await using var lab = await Lab.ConnectAsync("PermitTunnel yes", "");
            var opening = lab.Connection.OpenAsync(TunnelFrames.ChannelType, data, new Sink(), default);
            await Assert.ThrowsAsync<SshException>(() => opening.WaitAsync(Deadline));
        }
    }

    [FactNeeding(Need.Root, Device)]
    public async Task A_unit_in_use_is_refused_and_free_again_once_its_channel_is_closed()
    {
        await using var lab = await Lab.ConnectAsync("PermitTunnel yes", "");
        var (first, name) = (await lab.OpenAsync(PointToPoint, Unit), Name("tun", Unit));
        Assert.True(IsThere(name));
        var e = await Assert.ThrowsAsync<SshException>(() => lab.OpenAsync(PointToPoint, Unit));
        Assert.Contains($"{name} is in use", $"{e.Message} {e.Hint}", StringComparison.Ordinal);
        await using var another = await Lab.ConnectAsync("PermitTunnel yes", "");
        await Assert.ThrowsAsync<SshException>(() => another.OpenAsync(PointToPoint, Unit));
        first.Channel.Close();
        await GoneAsync(name);
        await another.OpenAsync(PointToPoint, Unit);
        Assert.True(IsThere(name));
    }

    [FactNeeding(Need.Root, Device, Ip)]
    public async Task An_interface_that_is_deleted_closes_its_channel_and_nothing_else()
    {
        await using var lab = await Lab.ConnectAsync("PermitTunnel yes", "");
        var deleted = await lab.OpenAsync(PointToPoint, Unit + 1);
        var other = await lab.OpenAsync(Ethernet, Unit + 1);
        Commands.Run(Ip, "link", "del", Name("tun", Unit + 1));
        await deleted.Closed.Task.WaitAsync(Deadline);
        Assert.False(other.Closed.Task.IsCompleted);
        Assert.True(await lab.IsAliveAsync());
        Assert.True(IsThere(Name("tap", Unit + 1)));
    }

    // INVARIANTS 23.
    [FactNeeding(Need.Root, Device)]
    public async Task A_reload_that_takes_the_right_back_closes_what_it_is_about()
    {
        await using var lab = await Lab.ConnectAsync("PermitTunnel yes", "");
        var (tun, tap) = (await lab.OpenAsync(PointToPoint, Unit + 2), await lab.OpenAsync(Ethernet, Unit + 2));
        Assert.Equal(0, await lab.Server.ReviewForwardsAsync());
        lab.Login.Live.Replace(SshdConfig.Parse(Lab.Base + "PermitTunnel ethernet\n"));
        Assert.Equal(1, await lab.Server.ReviewForwardsAsync());
        await tun.Closed.Task.WaitAsync(Deadline);
        await GoneAsync(Name("tun", Unit + 2));
        Assert.True(IsThere(Name("tap", Unit + 2)));
        await Assert.ThrowsAsync<SshException>(() => lab.OpenAsync(PointToPoint, Unit + 2));
        lab.Login.Live.Replace(SshdConfig.Parse(Lab.Base + "PermitTunnel yes\nDisableForwarding yes\n"));
        Assert.Equal(1, await lab.Server.ReviewForwardsAsync());
        await tap.Closed.Task.WaitAsync(Deadline);
        await GoneAsync(Name("tap", Unit + 2));
        Assert.True(await lab.IsAliveAsync());
    }

    [FactNeeding(Need.Root, Device)]
    public async Task A_key_with_a_device_gets_that_one_for_any()
    {
        await using var lab = await Lab.ConnectAsync("PermitTunnel yes", $"tunnel=\"{Unit + 3}\" ");
        await lab.OpenAsync(PointToPoint, Any);
        Assert.True(IsThere(Name("tun", Unit + 3)));
        Assert.Equal(Name("tun", Unit + 3), ConnectionTunnels.NamesOf(lab.Served));
    }

    [FactNeeding(Need.Root, Device)]
    public async Task The_end_of_the_connection_takes_its_devices_along()
    {
        await using (var lab = await Lab.ConnectAsync("PermitTunnel yes", ""))
        {
            await lab.OpenAsync(PointToPoint, Unit + 4);
            await lab.OpenAsync(Ethernet, Unit + 4);
            Assert.Equal($"{Name("tun", Unit + 4)},{Name("tap", Unit + 4)}", ConnectionTunnels.NamesOf(lab.Served));
        }

        await GoneAsync(Name("tun", Unit + 4));
        await GoneAsync(Name("tap", Unit + 4));
    }

    private static string Name(string kind, uint unit) => kind + unit.ToString(CultureInfo.InvariantCulture);

    private static bool IsThere(string name) => NetworkInterface.GetAllNetworkInterfaces().Any(one => one.Name == name);

    /// <summary>The kernel takes its time, behind the channel's end.</summary>
    private static async Task GoneAsync(string name)
    {
        using var timer = new CancellationTokenSource(Deadline);
        while (IsThere(name))
        {
            await Task.Delay(10, timer.Token);
        }
    }

    private sealed class Sink : IChannelSink
    {
        public SshChannel Channel { get; private set; } = null!;

        public TaskCompletionSource Closed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void OnOpened(SshChannel channel) => Channel = channel;

        public void OnData(ReadOnlyMemory<byte> data) => Channel.Credit(data.Length);

        public void OnBatchEnd()
        {
        }

        public void OnEof()
        {
        }

        public void OnClosed(SshException? reason)
        {
            Channel?.Close();
            Closed.TrySetResult();
        }
    }

    /// <summary>A server with tunnel devices for root, and a client that is logged in.</summary>
    private sealed class Lab : IConnectionService, IAsyncDisposable
    {
        public const string Base = "StrictModes no\nPermitRootLogin yes\n";

        private static readonly PrivateKey HostKey = PrivateKey.Generate("ed25519"), Key = PrivateKey.Generate("ed25519");

        private SshClient _client = null!;

        private Lab(string config) => Login = new Login(Base + config);

        public Login Login { get; }

        public SshServer Server { get; private set; } = null!;

        /// <summary>The client's end.</summary>
        public SshConnection Connection { get; private set; } = null!;

        /// <summary>The server's end.</summary>
        public SshConnection Served { get; private set; } = null!;

        public static async Task<Lab> ConnectAsync(string config, string options)
        {
            var lab = new Lab(config);
            lab.Login.Authorize(options + Key.PublicKey.ToText());
            var server = new SshServerOptions
            {
                Authenticator = new AuthorizedKeysAuthenticator(lab.Login.Live, lab.Login.Users, lab.Login.Log, TimeProvider.System),
                LoggerFactory = lab.Login.Log,
            };
            server.Endpoints.Add(new IPEndPoint(IPAddress.Loopback, 0));
            server.HostKeys.Add(HostKey);
            server.Services.Add(new TunnelService(lab.Login.Users, TimeProvider.System));
            server.Services.Add(lab);
            lab.Server = new SshServer(server);
            await lab.Server.StartAsync();
            lab._client = await SshClient.ConnectAsync(new SshClientOptions
            {
                Host = "127.0.0.1",
                Port = lab.Server.BoundEndpoints[0].Port,
                UserName = "root",
                Credentials = { Credential.Key(Key) },
                HostKeyVerifier = new Trust(),
            });
            await using var session = await lab._client.OpenSessionAsync().WaitAsync(Deadline);
            lab.Connection = session.Channel.Connection;
            return lab;
        }

        public async Task<Sink> OpenAsync(uint mode, uint unit)
        {
            var writer = new SshWriter(8);
            writer.WriteUInt32(mode);
            writer.WriteUInt32(unit);
            var sink = new Sink();
            await Connection.OpenAsync(TunnelFrames.ChannelType, writer.ToArray(), sink, default).WaitAsync(Deadline);
            return sink;
        }

        public async Task<bool> IsAliveAsync()
        {
            await using var session = await _client.OpenSessionAsync().WaitAsync(Deadline);
            return !_client.Completion.IsCompleted;
        }

        /// <summary>Sessions that do nothing.</summary>
        public IAsyncDisposable Attach(ServiceContext context)
        {
            Served = context.Connection;
            context.Connection.Handle("session", new Sessions());
            return new Nothing();
        }

        public async ValueTask DisposeAsync()
        {
            await _client.DisposeAsync();
            await Server.DisposeAsync();
            Login.Dispose();
        }

        private sealed class Sessions : IChannelHandler
        {
            public ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
            {
                request.Accept(new Sink());
                return ValueTask.CompletedTask;
            }
        }

        private sealed class Nothing : IAsyncDisposable
        {
            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }

        private sealed class Trust : IHostKeyVerifier
        {
            public IReadOnlyList<string> KnownKeyTypes(string host, int port) => [];

            public ValueTask VerifyAsync(HostKeyContext context, CancellationToken cancellationToken) => ValueTask.CompletedTask;
        }
    }
}
