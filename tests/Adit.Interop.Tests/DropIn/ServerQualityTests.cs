using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.DropIn;

/// <summary>IPQoS of the server, as the system tells it of the socket: one value while somebody is at a terminal, another for bulk.</summary>
public sealed class ServerQualityTests
{
    [Theory]
    [InlineData(Peer.OpenSsh, "-T", "0x8")]
    [InlineData(Peer.Adit, "-T", "0x8")]
    [InlineData(Peer.OpenSsh, "-tt", "0x10")]
    [InlineData(Peer.Adit, "-tt", "0x10")]
    public Task What_the_server_sends_is_marked(Peer peer, string terminal, string mark) => MarkAsync(peer, [], terminal, mark);

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task As_it_is_told(Peer peer) => MarkAsync(peer, ["IPQoS cs1", "Match User *", "    IPQoS af21 cs3"], "-T", "0x60");

    private static Task MarkAsync(Peer peer, string[] lines, string terminal, string mark) => Lab.RunAsync(async lab =>
    {
        Need.Tools("ss", "ssh");
        string[] last = [.. lines.SkipWhile(line => !line.StartsWith("Match", StringComparison.Ordinal))];
        Server there = await lab.StartServerAsync(peer, new ServerOptions { Lines = lines[..^last.Length], LastLines = last });
        IReadOnlyList<string> command = await Clients.SshCommandAsync(lab, Peer.OpenSsh, there, new ClientOptions { Arguments = [terminal] }, []);
        ManagedProcess session = lab.Start("ssh", command[0], [.. command.Skip(1).Where(word => word != "-N"), "echo begun; sleep 60"]);
        await session.WaitForLineAsync("begun", lab.Deadline);
        ProcessResult sockets = await lab.RunAsync("ss", Machine.Tool("ss"), ["-Htn", "--tos", "state", "established", "sport", "=", $":{there.Port}"]);
        Assert.Contains($"tos:{mark} ", sockets.Output.ReplaceLineEndings(" "), StringComparison.Ordinal);
        session.Signal(ManagedProcess.SigTerm);
        await session.WaitForExitAsync(lab.Deadline);
    });
}
