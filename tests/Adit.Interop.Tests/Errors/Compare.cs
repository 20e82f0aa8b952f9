using System.Text.RegularExpressions;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Errors;

/// <summary>Runs OpenSSH's program and ours on the same thing and compares what scripts see: the first line on stderr and the exit code.</summary>
internal static partial class Compare
{
    /// <summary>Both clients with the same arguments; both have to fail, alike, with a first line that contains <paramref name="expected"/>.</summary>
    public static async Task ClientsAsync(Lab lab, Server there, ClientOptions options, string expected, params string[] forwards)
    {
        ProcessResult theirs = await lab.RunSshAsync(Peer.OpenSsh, there, options, forwards);
        ProcessResult ours = await lab.RunSshAsync(Peer.Adit, there, options, forwards);
        Same(theirs, ours, expected);
    }

    /// <summary>Both clients with a command line that needs no server.</summary>
    public static async Task CommandLinesAsync(Lab lab, string expected, params string[] arguments)
    {
        ProcessResult[] results = await Task.WhenAll(new[] { Peer.OpenSsh, Peer.Adit }.Select(peer =>
        {
            IReadOnlyList<string> program = Clients.Program(peer);
            return lab.RunAsync($"client ({peer})", program[0], [.. program.Skip(1), .. arguments]);
        }));
        Same(results[0], results[1], expected);
    }

    /// <summary>OpenSSH's client with OpenSSH's server and with ours: it has to see the same.</summary>
    public static async Task ServersAsync(Lab lab, ServerOptions server, ClientOptions options, string expected, params string[] forwards)
    {
        var results = new List<ProcessResult>();
        foreach (Peer peer in new[] { Peer.OpenSsh, Peer.Adit })
        {
            results.Add(await lab.RunSshAsync(Peer.OpenSsh, await lab.StartServerAsync(peer, server), options, forwards));
        }

        Same(results[0], results[1], expected);
    }

    /// <summary>The client stays up and says <paramref name="expected"/> once its forward, whose target is not there, has been used.</summary>
    public static async Task SaidWhileRunningAsync(
        Lab lab, Peer client, Peer server, string targetHost, int targetPort, string expected)
    {
        Server there = await lab.StartServerAsync(server);
        Client here = await lab.StartClientAsync(client, there, new ClientOptions { TargetHost = targetHost, Targets = [targetPort] });
        using System.Net.Sockets.Socket socket = await Net.ConnectAsync(here.Port, lab.Deadline);
        Assert.Empty(await Net.ReceiveToEndAsync(socket, lab.Deadline));
        string line = await here.Process.WaitForLineAsync("open failed", lab.Deadline);
        Assert.Equal(expected, Normalise(line));
        Assert.False(here.Process.HasExited, "one target that is not there ends the whole client");
    }

    /// <summary>What differs between two runs without meaning anything: port numbers of ours, channel numbers, and a marker that not every version offers.</summary>
    public static string Normalise(string line) => ChannelNumber().Replace(PortNumber().Replace(line.TrimEnd('\r'), "port N"), "channel N")
        .Replace(",ext-info-s", "", StringComparison.Ordinal);

    public static void SameFirstLine(ProcessResult theirs, ProcessResult ours)
    {
        Assert.Equal(Normalise(First(theirs)), Normalise(First(ours)));
    }

    /// <summary>A bad key exchange algorithm is named on a line of its own first, which sshd of ours leaves to the hint below.</summary>
    private static string First(ProcessResult result) => result.ErrorLines.FirstOrDefault(line => !line.StartsWith("Unsupported KEX algorithm", StringComparison.Ordinal)) ?? "";

    private static void Same(ProcessResult theirs, ProcessResult ours, string expected)
    {
        Assert.Contains(expected, theirs.FirstErrorLine, StringComparison.Ordinal); // or the test provokes something else than it thinks
        if (expected.StartsWith("usage: ", StringComparison.Ordinal))
        {
            Assert.StartsWith("usage: adit ssh ", ours.FirstErrorLine, StringComparison.Ordinal); // which options there are is each program's own
        }
        else
        {
            SameFirstLine(theirs, ours);
        }

        Assert.Equal(theirs.ExitCode, ours.ExitCode);
    }

    [GeneratedRegex(@"port \d+")]
    private static partial Regex PortNumber();

    [GeneratedRegex(@"channel \d+")]
    private static partial Regex ChannelNumber();
}
