using System.Net.Sockets;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Scale;

/// <summary>One end dies while data flows: the other does not hang, says so, and leaves nothing behind. INVARIANTS 20, 21.</summary>
[Collection("heavy")]
public sealed class DeathTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(15);

    [Theory]
    [InlineData(Peer.OpenSsh, Peer.OpenSsh)]
    [InlineData(Peer.Adit, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    public Task Server_killed(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        (Server there, Client here, Service flood, Socket socket) = await FlowAsync(lab, client, server);
        foreach (ProcessIdentity victim in there.Process.Family())
        {
            victim.Signal(ManagedProcess.SigKill);
        }

        ProcessResult result = await here.Process.WaitForExitAsync(lab.Deadline).WaitAsync(Soon);
        Assert.Equal(255, result.ExitCode);
        Assert.NotEqual("", result.FirstErrorLine);
        await EndsAsync(socket, lab.Deadline);
        Assert.False(Net.IsListening(here.Port), "somebody still listens for the client");
        await Net.WaitUntilAsync(() => flood.Open == 0, "the target's connections have ended", Soon);
    });

    [Theory]
    [InlineData(Peer.Adit, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    public Task Client_killed(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        (Server there, Client here, Service flood, Socket socket) = await FlowAsync(lab, client, server);
        int before = there.Process.Family().Count;
        here.Process.Signal(ManagedProcess.SigKill);
        await here.Process.WaitForExitAsync(lab.Deadline);
        await EndsAsync(socket, lab.Deadline);
        Assert.False(Net.IsListening(here.Port), "somebody still listens for the client");
        await Net.WaitUntilAsync(() => flood.Open == 0, "the target's connections have ended", Soon);
        await Net.WaitUntilAsync(() => there.Process.Family().Count <= Math.Min(before, 1), "the server has no process left for that client", Soon);

        // The server has not suffered.
        Client next = await lab.StartClientAsync(client, there, new ClientOptions { Targets = [flood.Port] });
        using Socket again = await Net.ConnectAsync(next.Port, lab.Deadline);
        Assert.Equal(1, await again.ReceiveAsync(new byte[1], lab.Deadline));
    });

    [Theory]
    [InlineData(Peer.OpenSsh, ManagedProcess.SigTerm, 0)]
    [InlineData(Peer.Adit, ManagedProcess.SigTerm, 0)]
    [InlineData(Peer.OpenSsh, ManagedProcess.SigInt, 255)]
    [InlineData(Peer.Adit, ManagedProcess.SigInt, 255)]
    public Task Client_asked_to_end(Peer client, int signal, int exitCode) => Lab.RunAsync(async lab =>
    {
        (Server there, Client here, Service flood, Socket socket) = await FlowAsync(lab, client, Peer.OpenSsh);
        here.Process.Signal(signal);
        ProcessResult result = await here.Process.WaitForExitAsync(lab.Deadline).WaitAsync(Soon);
        Assert.Equal(exitCode, result.ExitCode);
        await EndsAsync(socket, lab.Deadline);
        await there.Process.WaitForLineAsync($"user {there.User} 127.0.0.1 port", lab.Deadline); // "Disconnected from …", or reset by what was still on the way
        await Net.WaitUntilAsync(() => flood.Open == 0, "the target's connections have ended", Soon);
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Server_asked_to_end(Peer server) => Lab.RunAsync(async lab =>
    {
        // The pid file comes after everything else, the handling of signals included.
        string pidFile = lab.Folder["pid"];
        Server there = await lab.StartServerAsync(server, new ServerOptions { Lines = [$"PidFile {pidFile}"] });
        await Net.WaitUntilAsync(() => File.Exists(pidFile), "the pid file", Soon);
        there.Process.Signal(ManagedProcess.SigTerm);
        ProcessResult result = await there.Process.WaitForExitAsync(lab.Deadline).WaitAsync(Soon);
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("Received signal 15; terminating.", result.ErrorLines);
        Assert.False(Net.IsListening(there.Port), "somebody still listens for the server");
    });

    // A target that is slow to read when its client goes: what was on the way is discarded, nothing waits for it.
    [Theory]
    [InlineData(Peer.Adit, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    public Task Local_program_killed_in_the_middle(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        (Server _, Client here, Service flood, Socket socket) = await FlowAsync(lab, client, server);
        socket.LingerState = new LingerOption(true, 0);
        socket.Dispose();
        await Net.WaitUntilAsync(() => flood.Open == 0, "the target's connection has ended", Soon);
        Assert.False(here.Process.HasExited);
        using Socket again = await Net.ConnectAsync(here.Port, lab.Deadline);
        Assert.Equal(1, await again.ReceiveAsync(new byte[1], lab.Deadline));
    });

    /// <summary>A tunnel in the middle of a transfer that would go on for long.</summary>
    private static async Task<(Server There, Client Here, Service Flood, Socket Socket)> FlowAsync(Lab lab, Peer client, Peer server)
    {
        Service flood = lab.Own(Service.Start((socket, stop) => Payload.SendAsync(socket, 1L << 40, up: false, stop), lab.Deadline));
        Server there = await lab.StartServerAsync(server);
        Client here = await lab.StartClientAsync(client, there, new ClientOptions { Targets = [flood.Port] });
        Socket socket = await Net.ConnectAsync(here.Port, lab.Deadline);
        byte[] buffer = new byte[64 * 1024];
        for (int received = 0; received < 4 * Payload.MiB;)
        {
            int count = await socket.ReceiveAsync(buffer, lab.Deadline);
            Assert.True(count > 0);
            received += count;
        }

        return (there, here, flood, socket);
    }

    private static async Task EndsAsync(Socket socket, CancellationToken cancellation)
    {
        using (socket)
        {
            try
            {
                await Net.ReceiveToEndAsync(socket, cancellation).WaitAsync(Soon, cancellation);
            }
            catch (SocketException)
            {
                // Ended by a reset.
            }
        }
    }
}
