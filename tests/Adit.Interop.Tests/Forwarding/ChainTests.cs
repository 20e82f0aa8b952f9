using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Forwarding;

/// <summary>Forwards inside forwards.</summary>
public sealed class ChainTests
{
    // One client offers a service at the server's port, another fetches it from there; then an SSH connection of its own runs through both.
    [Theory]
    [InlineData(Peer.Adit, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    public Task A_local_forward_ends_in_a_remote_one(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        const long Length = 8 * Payload.MiB;
        await using Service exchange = Service.Exchange(Length, lab.Deadline);
        await using Service answers = Service.AnswerAfterEof(lab.Deadline);
        Server meeting = await lab.StartServerAsync(server), home = await lab.StartServerAsync(Peer.Adit);
        int[] offered = [Net.FreePort(), Net.FreePort(), Net.FreePort()];
        int[] services = [exchange.Port, answers.Port, home.Port];
        await lab.StartClientAsync(Peer.Adit, meeting, new ClientOptions
        {
            Arguments = [.. offered.Zip(services, (port, service) => $"127.0.0.1:{port}:127.0.0.1:{service}").SelectMany(forward => new[] { "-R", forward })],
        });
        foreach (int port in offered)
        {
            await Net.WaitForListenerAsync(meeting.Process, port, lab.Deadline);
        }

        Client there = await lab.StartClientAsync(client, meeting, new ClientOptions { Targets = offered });
        await Task.WhenAll(Traffic.ExchangeAsync(there.Ports[0], Length, lab.Deadline), Traffic.AskAfterEofAsync(there.Ports[1], lab.Deadline));
        await exchange.CompleteAsync(lab.Deadline);
        await answers.CompleteAsync(lab.Deadline);

        // How one gets to a machine behind a router: it has put its own SSH port on the meeting point.
        Client inside = await lab.StartClientAsync(client, home, new ClientOptions { ConnectPort = there.Ports[2], Targets = [exchange.Port, answers.Port] });
        await Traffic.ExchangeAsync(inside.Ports[0], Length, lab.Deadline);
        await Traffic.AskAfterEofAsync(inside.Ports[1], lab.Deadline);
    });

    // git's own protocol, which knows no proxy.
    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Git_clones_over_a_local_forward(Peer server) => Lab.RunAsync(async lab =>
    {
        Need.Tools("git");
        Need.That((await lab.RunAsync("git", Machine.Tool("git"), ["daemon", "-h"])).ExitCode == 129, "git daemon");
        string folder = lab.Folder["git"], copy = lab.Folder["copy"];
        Directory.CreateDirectory(folder);
        string work = await Repository.CreateAsync(lab, folder);
        int port = Net.FreePort();
        ManagedProcess daemon = lab.Start(
            "git daemon", Machine.Tool("git"), ["daemon", "--export-all", $"--base-path={folder}", "--listen=127.0.0.1", $"--port={port}", folder]);
        await Net.WaitForListenerAsync(daemon, port, lab.Deadline);
        Client client = await lab.StartClientAsync(Peer.Adit, await lab.StartServerAsync(server), new ClientOptions { Targets = [port] });
        await lab.MustAsync(Machine.Tool("git"), "clone", "-q", $"git://127.0.0.1:{client.Port}/repo.git", copy);
        await Route.ShellAsync(lab, $"cmp {copy}/numbers {work}/numbers");
    });
}
