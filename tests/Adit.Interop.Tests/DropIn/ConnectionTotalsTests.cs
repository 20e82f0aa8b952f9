using System.Globalization;
using System.Text.RegularExpressions;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.DropIn;

/// <summary>What the client tells with -v at the end of a connection: OpenSSH's lines, and numbers that are those of the wire.</summary>
public sealed partial class ConnectionTotalsTests
{
    /// <summary>Bytes that a packet has on the wire and that are not counted: the tag.</summary>
    private const int TagLength = 16;

    private static readonly ClientOptions Verbose = new() { Arguments = ["-v"] };

    [Fact]
    public Task The_numbers_are_those_of_the_wire() => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        foreach (Peer peer in new[] { Peer.OpenSsh, Peer.Adit })
        {
            await using Relay relay = Relay.To(there.Port, lab.Deadline);
            ManagedProcess process = await RunAsync(lab, peer, there, "head -c 300000 /dev/zero", new ClientOptions { ConnectPort = relay.Port, Arguments = ["-v", "-c", "aes128-gcm@openssh.com"] });
            ProcessResult result = await process.WaitForExitAsync(lab.Deadline);
            Assert.Equal(0, result.ExitCode);
            Totals told = Totals.In(result);
            Assert.Equal(0, told.ExitStatus);
            Assert.InRange(told.Received, 300_000, 330_000);
            Assert.InRange(told.Sent, 1_000, 30_000);
            await relay.Over.WaitAsync(lab.Deadline);

            // What is left of the bytes on the wire are the two identification strings, and a tag for every packet once there are keys.
            long rest = relay.Bytes - told.Sent - told.Received - Line(result, "Local version string (.*)").Length - $"SSH-2.0-{Line(result, "remote software version (.*)")}".Length - 4;
            Assert.Equal(0, rest % TagLength);
            Assert.InRange(rest / TagLength, 10, 200);
        }
    });

    [Theory]
    [InlineData("exit 3", 3, 3)]
    [InlineData("kill -9 $$", 255, -1)]
    [InlineData("sleep 0.5; kill -9 $PPID; sleep 5", 255, -1)] // not while ssh still sends: it has other words then
    public Task They_come_last_whatever_the_end(string command, int exitCode, int status) => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        foreach (Peer peer in new[] { Peer.OpenSsh, Peer.Adit })
        {
            ProcessResult result = await (await RunAsync(lab, peer, there, command, Verbose)).WaitForExitAsync(lab.Deadline);
            Assert.Equal((exitCode, status), (result.ExitCode, Totals.In(result).ExitStatus));
        }
    });

    [Fact]
    public Task A_tunnel_that_is_ended_tells_and_a_session_that_is_killed_does_not() => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        foreach (Peer peer in new[] { Peer.OpenSsh, Peer.Adit })
        {
            Client tunnel = await lab.StartClientAsync(peer, there, Verbose with { Targets = [1] });
            if (peer == Peer.OpenSsh)
            {
                await tunnel.Process.WaitForLineAsync("Entering interactive session", lab.Deadline); // from then on it has its own way with signals
            }

            Assert.True(await TellsAsync(lab, tunnel.Process, 0));

            ManagedProcess session = await RunAsync(lab, peer, there, "echo here >&2; sleep 30", Verbose);
            await session.WaitForLineAsync("here", lab.Deadline);
            Assert.False(await TellsAsync(lab, session, 255));
        }
    });

    [Fact]
    public Task Without_v_nothing_is_told() => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        ProcessResult result = await (await RunAsync(lab, Peer.Adit, there, "true", new ClientOptions())).WaitForExitAsync(lab.Deadline);
        Assert.Equal((0, ""), (result.ExitCode, result.Errors));
    });

    /// <summary>Starts a client that runs a command there.</summary>
    private static async Task<ManagedProcess> RunAsync(Lab lab, Peer peer, Server there, string command, ClientOptions options)
    {
        IReadOnlyList<string> words = await Clients.SshCommandAsync(lab, peer, there, options, []);
        return lab.Start($"client ({peer})", words[0], [.. words.Skip(1).Where(word => word != "-N"), command]);
    }

    /// <summary>Ends it by a signal; whether it told totals.</summary>
    private static async Task<bool> TellsAsync(Lab lab, ManagedProcess process, int exitCode)
    {
        process.Signal(ManagedProcess.SigTerm);
        ProcessResult result = await process.WaitForExitAsync(lab.Deadline);
        Assert.Equal(exitCode, result.ExitCode);
        return result.Errors.Contains("Transferred: sent ", StringComparison.Ordinal);
    }

    private static string Line(ProcessResult result, string pattern) => Regex.Match(result.Errors.Replace("\r", "", StringComparison.Ordinal), pattern).Groups[1].Value;

    private sealed partial record Totals(long Sent, long Received, int ExitStatus)
    {
        /// <summary>The last three lines.</summary>
        public static Totals In(ProcessResult result)
        {
            string text = string.Join('\n', result.Errors.Split('\n').Where(line => !line.StartsWith("adit: ", StringComparison.Ordinal)).Select(line => line.TrimEnd('\r')).Where(line => line.Length > 0));
            Match match = Lines().Match(text);
            Assert.True(match.Success, text);
            return new Totals(Number(1), Number(2), (int)Number(3));

            long Number(int group) => long.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);
        }

        [GeneratedRegex(@"^Transferred: sent (\d+), received (\d+) bytes, in \d+\.\d seconds\nBytes per second: sent \d+\.\d, received \d+\.\d\ndebug1: Exit status (-?\d+)\z", RegexOptions.Multiline)]
        private static partial Regex Lines();
    }
}
