using System.Net.Sockets;
using Adit.Ssh.Tests.Authentication;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>ChannelTimeout and UnusedConnectionTimeout, by a clock that the test moves.</summary>
public class IdleWatchTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly SteppedTime _time = new();
    private readonly ListLogger _log = new();

    private Task<TunnelPair> ConnectAsync(TimeSpan? unused, params ChannelTimeout[] timeouts) => TunnelPair.ConnectAsync(server: options =>
    {
        options.TimeProvider = _time;
        options.KeepAliveInterval = TimeSpan.Zero; // a minute that passes at once would be a client that does not answer
        options.LoggerFactory = new OneLogger(_log);
        options.ChannelTimeouts = timeouts;
        options.UnusedConnectionTimeout = unused;
    });

    private static ChannelTimeout Limit(string types, int seconds) => new(types, TimeSpan.FromSeconds(seconds));

    [Fact]
    public async Task A_channel_without_data_is_closed_and_its_connection_is_not()
    {
        await using var tunnel = await ConnectAsync(null, Limit("direct-*", 10));
        var (near, far) = await tunnel.OpenAsync();
        await PassDataAsync(near, far);
        _time.Pass(10);
        await PassDataAsync(near, far); // either way counts
        _time.Pass(10);
        await PassDataAsync(far, near);
        _time.Pass(10);
        Assert.DoesNotContain(_log.Texts, line => line.Contains("ChannelTimeout", StringComparison.Ordinal));
        _time.Pass(1);
        await AssertResetAsync(far);
        Assert.Contains(_log.Texts, line => line.Contains("direct-tcpip: closed after 10 s without data (ChannelTimeout), from 127.0.0.1 port ", StringComparison.Ordinal));
        var (again, there) = await tunnel.OpenAsync();
        await PassDataAsync(again, there);
    }

    [Theory]
    [InlineData("forwarded-tcpip", 5)] // another type
    [InlineData("direct-tcpip", 0)] // no limit
    public async Task Other_channels_stay(string types, int seconds)
    {
        // The first pattern that matches counts, and no pattern matches "global".
        await using var tunnel = await ConnectAsync(null, Limit(types, seconds), Limit("direct-tcpip", 100));
        var (near, far) = await tunnel.OpenAsync();
        await PassDataAsync(near, far);
        _time.Pass(90);
        await PassDataAsync(near, far);
    }

    [Fact]
    public async Task Global_is_about_all_channels_together()
    {
        await using var tunnel = await ConnectAsync(null, Limit("global", 10));
        var (near, far) = await tunnel.OpenAsync();
        await PassDataAsync(near, far);
        var (busyNear, busyFar) = await tunnel.OpenAsync();
        for (int i = 0; i < 3; i++)
        {
            await PassDataAsync(busyNear, busyFar);
            _time.Pass(8);
        }
        await PassDataAsync(near, far);
        _time.Pass(12);
        await AssertResetAsync(far);
        await AssertResetAsync(busyFar);
    }

    [Fact]
    public async Task A_connection_without_channels_is_ended()
    {
        await using var tunnel = await ConnectAsync(TimeSpan.FromSeconds(10));
        _time.Pass(9);
        var (near, far) = await tunnel.OpenAsync();
        await PassDataAsync(near, far); // now both ends know the channel
        _time.Pass(60);
        await PassDataAsync(near, far);
        near.Dispose();
        Assert.Equal(0, await far.ReceiveAsync(new byte[1]).WaitAsync(Deadline));
        far.Dispose();
        // From the last channel's end on: when the server has seen that is its own affair.
        using var limit = new CancellationTokenSource(Deadline);
        while (!tunnel.Client.Completion.IsCompleted)
        {
            _time.Pass(1);
            await Task.WhenAny(tunnel.Client.Completion, Task.Delay(10, limit.Token));
            limit.Token.ThrowIfCancellationRequested();
        }
        var end = await Assert.ThrowsAsync<SshException>(() => tunnel.Client.Completion);
        Assert.Contains("terminating inactive connection from 127.0.0.1 port ", end.Message, StringComparison.Ordinal);
        Assert.Contains(_log.Texts, line => line.StartsWith("terminating inactive connection from 127.0.0.1 port ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_listener_is_no_channel()
    {
        await using var tunnel = await ConnectAsync(TimeSpan.FromSeconds(10));
        await using var remote = await tunnel.Client.ForwardRemoteAsync("localhost:0", "127.0.0.1:1");
        _time.Pass(12);
        await Assert.ThrowsAsync<SshException>(() => tunnel.Client.Completion.WaitAsync(Deadline));
    }

    private static async Task PassDataAsync(Socket from, Socket to)
    {
        await from.SendAsync("x"u8.ToArray());
        Assert.Equal(1, await to.ReceiveAsync(new byte[1]).WaitAsync(Deadline));
    }

    private static async Task AssertResetAsync(Socket socket) =>
        Assert.Equal(SocketError.ConnectionReset, (await Assert.ThrowsAsync<SocketException>(() => socket.ReceiveAsync(new byte[1]).WaitAsync(Deadline))).SocketErrorCode);
}
