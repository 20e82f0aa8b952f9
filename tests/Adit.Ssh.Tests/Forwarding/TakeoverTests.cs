using System.Net;
using System.Net.Sockets;
using Adit.Interop.Tests.Harness;
using Adit.Ssh.Forwarding;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>INVARIANTS 21 and 22: a client that comes back gets its port from its own dead session, and nobody else gets anything.</summary>
public class TakeoverTests
{
    private const string Asking = "asking that one for a sign of life";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    [Theory]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("127.0.0.1", "localhost")]
    [InlineData("localhost", "127.0.0.1")]
    [InlineData("127.0.0.1", "*")]
    [InlineData("*", "localhost")]
    public async Task TheDeadSessionsPortGoesToTheNewOne(string held, string wanted)
    {
        await using var lab = await TakeoverLab.StartAsync();
        using var target = Listen();
        int port = FreePorts.Take();
        var old = await lab.ConnectAsync();
        await old.ListenAsync(port, held);
        old.Way.Cut();
        var young = await lab.ConnectAsync();
        var asked = lab.Time.WhenAwaitedAsync(Patience);
        var taking = young.ListenAsync(port, wanted, Port(target));
        await asked.WaitAsync(TakeoverLab.Deadline);
        Assert.False(taking.IsCompleted); // it has its two seconds
        lab.Time.Advance(Patience);
        await using var forward = await taking;
        Assert.Equal(port, forward.Port);
        using var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await near.ConnectAsync(IPAddress.Loopback, port);
        using var far = await target.AcceptAsync().WaitAsync(TakeoverLab.Deadline);
        await lab.Log.WhenSaidAsync("Timeout, client not responding from user alice 127.0.0.1 port ");
        Assert.Single(lab.Log.Lines, line => line.StartsWith("Taking over ", StringComparison.Ordinal) && line.Contains($":{port}", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ALivingSessionKeepsItsPortAndTheNewOneLearnsWhereItIs()
    {
        await using var lab = await TakeoverLab.StartAsync();
        int port = FreePorts.Take();
        var old = await lab.ConnectAsync();
        await using var forward = await old.ListenAsync(port);
        var young = await lab.ConnectAsync();
        // The clock stands: the answer alone decides.
        var error = await Assert.ThrowsAsync<SshException>(() => young.ListenAsync(port));
        Assert.Equal($"remote port forwarding failed for listen port {port}", error.Message);
        Assert.Contains($"Remote: Server could not listen on \"127.0.0.1\" port {port}: bind [127.0.0.1]:{port}: Address already in use: "
            + "held by another session of yours from 127.0.0.1 since 1970-01-02 00:00:00Z", young.Said.Lines);
        Assert.Null(old.Client.Fault);
        Assert.DoesNotContain(lab.Log.Lines, line => line.StartsWith("Taking over ", StringComparison.Ordinal));
    }

    // Whatever arrives is a sign of life, also from a client that does not come to answering.
    [Fact]
    public async Task WhoeverSendsAnythingIsAlive()
    {
        await using var lab = await TakeoverLab.StartAsync();
        int port = FreePorts.Take();
        var old = await lab.ConnectAsync();
        await old.ListenAsync(port);
        old.Way.IsDeaf = true;
        var young = await lab.ConnectAsync();
        var asked = lab.Time.WhenAwaitedAsync(Patience);
        var taking = young.ListenAsync(port);
        await asked.WaitAsync(TakeoverLab.Deadline);
        _ = old.Client.OpenTcpAsync("127.0.0.1", 1).ContinueWith(static t => t.Exception, TaskScheduler.Default);
        await lab.Log.WhenSaidAsync("channel open request");
        lab.Time.Advance(Patience);
        await Assert.ThrowsAsync<SshException>(() => taking);
        Assert.Contains(young.Said.Lines, line => line.Contains("held by another session of yours", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("bob", 0)] // the same key opens another account
    [InlineData("alice", 1)]
    [InlineData("alice", -1)]
    public async Task AnotherUserOrKeyGetsNothingAndLearnsNothing(string user, int key)
    {
        await using var lab = await TakeoverLab.StartAsync();
        int port = FreePorts.Take();
        var old = await lab.ConnectAsync();
        await old.ListenAsync(port);
        old.Way.Cut();
        var other = await lab.ConnectAsync(user, key);
        await Assert.ThrowsAsync<SshException>(() => other.ListenAsync(port)); // at once: the clock stands
        Assert.DoesNotContain(other.Said.Lines, line => line.Contains("held by", StringComparison.Ordinal));
        Assert.DoesNotContain(lab.Log.Lines, line => line.Contains(Asking, StringComparison.Ordinal));
    }

    [Fact]
    public async Task PasswordLoginsTakeOverFromPasswordLogins()
    {
        await using var lab = await TakeoverLab.StartAsync();
        int port = FreePorts.Take();
        var old = await lab.ConnectAsync(key: -1);
        await old.ListenAsync(port);
        old.Way.Cut();
        Assert.Equal(port, (await TakeOverAsync(lab, await lab.ConnectAsync(key: -1), port)).Port);
    }

    // Of three that come back the newest gets it; then there is one owner and no more.
    [Fact]
    public async Task OfThreeTheNewestWins()
    {
        await using var lab = await TakeoverLab.StartAsync();
        int port = FreePorts.Take();
        var old = await lab.ConnectAsync();
        await old.ListenAsync(port);
        old.Way.Cut();
        TakeoverClient[] young = [await lab.ConnectAsync(), await lab.ConnectAsync(), await lab.ConnectAsync()];
        var asked = lab.Time.WhenAwaitedAsync(Patience); // one question for all three
        var asking = Array.ConvertAll(young, client => client.ListenAsync(port));
        await lab.Log.WhenSaidAsync(Asking, 3);
        await asked.WaitAsync(TakeoverLab.Deadline);
        lab.Time.Advance(Patience);
        await using var won = await asking[2];
        foreach (var lost in asking[..2])
            await Assert.ThrowsAsync<SshException>(() => lost);
        Assert.Null(young[2].Client.Fault);
        Assert.All(young[..2], client => Assert.Contains(client.Said.Lines, line => line.Contains("held by another session of yours", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task AnOlderSessionTakesNothingFromANewerOne()
    {
        await using var lab = await TakeoverLab.StartAsync();
        int port = FreePorts.Take();
        var old = await lab.ConnectAsync();
        var young = await lab.ConnectAsync();
        await young.ListenAsync(port);
        young.Way.Cut();
        await Assert.ThrowsAsync<SshException>(() => old.ListenAsync(port));
        Assert.Contains(old.Said.Lines, line => line.Contains("held by another session of yours", StringComparison.Ordinal));
        Assert.DoesNotContain(lab.Log.Lines, line => line.Contains(Asking, StringComparison.Ordinal));
    }

    [Fact]
    public async Task ZeroTurnsItOff()
    {
        await using var lab = await TakeoverLab.StartAsync(options => options.RemoteForwardTakeoverTimeout = TimeSpan.Zero);
        int port = FreePorts.Take();
        var old = await lab.ConnectAsync();
        await old.ListenAsync(port);
        old.Way.Cut();
        var young = await lab.ConnectAsync();
        await Assert.ThrowsAsync<SshException>(() => young.ListenAsync(port));
    }

    [Fact]
    public async Task WhoeverGivesUpWaitingTakesNothing()
    {
        await using var lab = await TakeoverLab.StartAsync();
        int port = FreePorts.Take();
        var old = await lab.ConnectAsync();
        await old.ListenAsync(port);
        old.Way.IsDeaf = true;
        var young = await lab.ConnectAsync();
        var asking = young.ListenAsync(port);
        await lab.Log.WhenSaidAsync(Asking);
        await young.Client.DisposeAsync();
        await Assert.ThrowsAsync<SshException>(() => asking);
        await lab.Log.WhenSaidAsync("Disconnected from user alice");
        lab.Time.Advance(Patience);
        using var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await near.ConnectAsync(IPAddress.Loopback, port); // still its own
        Assert.DoesNotContain(lab.Log.Lines, line => line.StartsWith("Taking over ", StringComparison.Ordinal));
    }

    // The session ends, so all that it held is free, and nobody waits a second time.
    [Fact]
    public async Task WithThePortGoesEverythingElseOfTheDeadSession()
    {
        await using var lab = await TakeoverLab.StartAsync();
        int[] ports = [FreePorts.Take(), FreePorts.Take(), FreePorts.Take()];
        var old = await lab.ConnectAsync();
        foreach (int port in ports)
            await old.ListenAsync(port);
        old.Way.Cut();
        var young = await lab.ConnectAsync();
        await using var first = await TakeOverAsync(lab, young, ports[0]);
        foreach (int port in ports[1..])
            Assert.Equal(port, (await young.ListenAsync(port)).Port);
    }

    private static async Task<RemoteForward> TakeOverAsync(TakeoverLab lab, TakeoverClient client, int port)
    {
        var asked = lab.Time.WhenAwaitedAsync(Patience);
        var taking = client.ListenAsync(port);
        await asked.WaitAsync(TakeoverLab.Deadline);
        lab.Time.Advance(Patience);
        return await taking;
    }

    private static Socket Listen()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen(10);
        return socket;
    }

    private static int Port(Socket socket) => ((IPEndPoint)socket.LocalEndPoint!).Port;
}
