using System.Runtime.Versioning;
using Adit.Server.Sessions;
using Adit.Ssh;

namespace Adit.Server.Tests.Sessions;

[SupportedOSPlatform("linux")]
public class SessionTests
{
    private static readonly TimeSpan Deadline = SessionLab.Deadline;

    [Fact]
    public async Task ACommandGetsItsInputAndItsOutputErrorsAndStatusComeBack()
    {
        await using var lab = await SessionLab.StartAsync();
        var (exit, output, error) = await lab.RunAsync("cat; echo problem >&2; pwd; exit 7", "some input\n");
        Assert.Equal((new SessionExit(7), $"some input\n{lab.Home}\n", "problem\n"), (exit, output, error));
        Assert.Equal("TERM", (await lab.RunAsync("kill -TERM $$")).Exit.Signal);
    }

    [Fact]
    public async Task VariablesThatTheServerAcceptsReachTheProgramAndNoOthers()
    {
        await using var lab = await SessionLab.StartAsync("AcceptEnv GOOD_* BOTH\nSetEnv ADMIN=1 BOTH=admin");
        await using var session = await lab.Client.OpenSessionAsync();
        session.SetVariable("GOOD_ONE", "a=b c");
        session.SetVariable("BAD", "x");
        session.SetVariable("BOTH", "client");
        session.SetVariable("LD_PRELOAD", "/nowhere.so");
        session.SetVariable("GOOD_=X", "x");
        Assert.True(await session.ExecuteAsync("env").WaitAsync(Deadline));
        var lines = (await SessionLab.FinishAsync(session)).Output.Split('\n');
        Assert.Contains("GOOD_ONE=a=b c", lines);
        Assert.Contains("BOTH=admin", lines);
        Assert.Contains("ADMIN=1", lines);
        Assert.Contains("USER=alice", lines);
        Assert.DoesNotContain(lines, line => line.StartsWith("BAD=", StringComparison.Ordinal) || line.StartsWith("LD_", StringComparison.Ordinal) || line.StartsWith("GOOD_=", StringComparison.Ordinal));
    }

    [Fact]
    public async Task TheNumberOfVariablesIsBounded()
    {
        await using var lab = await SessionLab.StartAsync("AcceptEnv *");
        await using var session = await lab.Client.OpenSessionAsync();
        for (var i = 0; i < 200; i++)
        {
            session.SetVariable($"V{i}", "x");
        }

        Assert.True(await session.ExecuteAsync("env | grep -c ^V").WaitAsync(Deadline));
        Assert.Equal("128\n", (await SessionLab.FinishAsync(session)).Output);
    }

    [Fact]
    public async Task ASessionHasOneProgramAndRequestsForItsBeginningComeTooLateThen()
    {
        await using var lab = await SessionLab.StartAsync();
        await using var session = await lab.Client.OpenSessionAsync();
        var answers = await Task.WhenAll(session.ExecuteAsync("cat"), session.ExecuteAsync("cat"), session.StartShellAsync(), session.StartSubsystemAsync("sftp"),
            session.RequestPtyAsync(new PtyOptions("xterm", 80, 24))).WaitAsync(Deadline);
        Assert.Equal([true, false, false, false, false], answers);
        Assert.Equal((new SessionExit(0), "x"), ((await SessionLab.FinishAsync(session, "x")) is var end ? (end.Exit, end.Output) : default));
    }

    [Fact]
    public async Task AGatewayHasNoSessionsButForwards()
    {
        await using var lab = await SessionLab.StartAsync("MaxSessions 0");
        var refusal = await Assert.ThrowsAsync<SshException>(() => lab.Client.OpenSessionAsync()).WaitAsync(Deadline);
        Assert.Equal((OpenFailureReason.ConnectFailed, "this server only forwards (MaxSessions 0)"), (refusal.OpenFailureReason, refusal.Hint));
        Assert.Contains("no more sessions", lab.Log.Errors);
    }

    [Theory]
    [InlineData("true")]
    [InlineData(null)]
    public async Task APlaceIsFreeAsSoonAsItsSessionIsClosed(string? command)
    {
        const int rounds = 100;
        await using var lab = await SessionLab.StartAsync("MaxSessions 1");
        for (var round = 0; round < rounds; round++)
        {
            await using var session = await lab.Client.OpenSessionAsync().WaitAsync(Deadline);
            if (command is null)
            {
                session.Channel.Close(); // without a program: the client closes first
            }
            else
            {
                Assert.True(await session.ExecuteAsync(command).WaitAsync(Deadline));
            }

            Assert.Equal(command is null, (await session.Completion.WaitAsync(Deadline)).Status is null);
        }
    }

    [Fact]
    public async Task AClientThatPromisedNoMoreSessionsGetsNone()
    {
        await using var lab = await SessionLab.StartAsync();
        await using var first = await lab.Client.OpenSessionAsync();
        first.Channel.Connection.Requests.Notify("no-more-sessions@openssh.com", []);
        await Assert.ThrowsAsync<SshException>(() => lab.Client.OpenSessionAsync()).WaitAsync(Deadline);
        var reason = await Assert.ThrowsAsync<SshException>(() => lab.Client.Completion).WaitAsync(Deadline);
        Assert.Contains("Possible attack: attempt to open a session after additional sessions disabled", reason.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ForceCommand echo \"config $SSH_ORIGINAL_COMMAND\"", "", "config wanted\n")]
    [InlineData("", "command=\"echo \\\"key $SSH_ORIGINAL_COMMAND\\\"\"", "key wanted\n")]
    [InlineData("ForceCommand echo config", "command=\"echo key\"", "config\n")]
    public async Task WhatIsForcedRunsInPlaceOfWhatWasAsked(string config, string options, string output)
    {
        await using var lab = await SessionLab.StartAsync(config, options);
        Assert.Equal(output, (await lab.RunAsync("wanted")).Output);
        await using var session = await lab.Client.OpenSessionAsync();
        Assert.True(await session.StartShellAsync().WaitAsync(Deadline));
        session.SendSignal("KILL"); // refused: the program is not the client's
        Assert.Equal(0, (await SessionLab.FinishAsync(session)).Exit.Status);
    }

    [Theory]
    [InlineData("PermitTTY no", "")]
    [InlineData("", "no-pty")]
    [InlineData("", "restrict")]
    [InlineData("", "restrict,pty", true)]
    public async Task ATerminalIsGivenOnlyWhereItIsPermitted(string config, string options, bool isGiven = false)
    {
        await using var lab = await SessionLab.StartAsync(config, options);
        await using var session = await lab.Client.OpenSessionAsync();
        Assert.Equal(isGiven, await session.RequestPtyAsync(new PtyOptions("vt220", 91, 33)).WaitAsync(Deadline));
        Assert.True(await session.ExecuteAsync("tty >/dev/null && stty size && echo $TERM").WaitAsync(Deadline));
        Assert.Equal(isGiven ? "33 91\r\nvt220\r\n" : "", (await SessionLab.FinishAsync(session)).Output);
    }

    [Fact]
    public async Task SubsystemsAreThoseOfTheConfiguration()
    {
        await using var lab = await SessionLab.StartAsync("Subsystem hello /bin/echo hello there\nSubsystem sftp /nowhere");
        await using var session = await lab.Client.OpenSessionAsync();
        Assert.False(await session.StartSubsystemAsync("unknown").WaitAsync(Deadline));
        Assert.True(await session.StartSubsystemAsync("hello").WaitAsync(Deadline));
        Assert.Equal("hello there\n", (await SessionLab.FinishAsync(session)).Output);
        Assert.Contains("subsystem request for unknown by user alice failed, subsystem not found", lab.Log.Lines);
    }

    // Whoever stays behind with the output keeps the channel open; what they write comes as well.
    [Fact]
    public async Task TheChannelStaysWhileSomebodyHasTheOutput()
    {
        await using var lab = await SessionLab.StartAsync();
        await using var session = await lab.Client.OpenSessionAsync();
        var pipe = Path.Combine(lab.Home, "pipe");
        Support.Commands.Run("/usr/bin/mkfifo", pipe);
        Assert.True(await session.ExecuteAsync("(read x < pipe; echo late) & echo early; exit 3").WaitAsync(Deadline));
        await session.InputUnwanted.WaitAsync(Deadline); // the program has ended
        var finished = SessionLab.FinishAsync(session);
        Assert.False(finished.IsCompleted);
        await File.WriteAllTextAsync(pipe, "go\n").WaitAsync(Deadline);
        Assert.Equal((new SessionExit(3), "early\nlate\n", ""), await finished.WaitAsync(Deadline));
    }

    // INVARIANTS 9 and 23: what was allowed at login is asked again.
    [Fact]
    public async Task ALoginWhoseKeyWasTakenOutStartsNothingAnyMore()
    {
        await using var lab = await SessionLab.StartAsync();
        await using var open = await lab.Client.OpenSessionAsync();
        await using var running = await lab.Client.OpenSessionAsync();
        Assert.True(await running.ExecuteAsync("cat").WaitAsync(Deadline));
        await File.WriteAllTextAsync(lab.KeysFile, "");
        using var patience = new CancellationTokenSource(Deadline);
        SshException? refusal = null;
        while (refusal is null)
        {
            // The files are looked at once a second.
            patience.Token.ThrowIfCancellationRequested();
            try
            {
                await using var another = await lab.Client.OpenSessionAsync(patience.Token);
            }
            catch (SshException e)
            {
                refusal = e;
            }
        }

        Assert.Equal(OpenFailureReason.ConnectFailed, refusal.OpenFailureReason);
        Assert.Contains("lets alice in no more", refusal.Hint, StringComparison.Ordinal);
        Assert.False(await open.ExecuteAsync("true").WaitAsync(Deadline));
        Assert.False(await open.RequestPtyAsync(new PtyOptions("xterm", 80, 24)).WaitAsync(Deadline));
        Assert.Equal("goes on", (await SessionLab.FinishAsync(running, "goes on")).Output);
    }

    [Fact]
    public async Task FeaturesAreAskedInOrderBeforeTheProgramAndToldOfItsEnd()
    {
        var calls = new List<string>();
        await using (var lab = await SessionLab.StartAsync("", "", _ => new Feature("one", null, calls), _ => new Feature("two", true, calls), _ => new Feature("three", true, calls)))
        {
            await using var plain = await lab.Client.OpenSessionAsync();
            Assert.True(await plain.ExecuteAsync("true").WaitAsync(Deadline));
            await plain.Completion.WaitAsync(Deadline);
            Assert.Empty(calls);

            await using var session = await lab.Client.OpenSessionAsync();
            var answers = await Task.WhenAll(session.Channel.RequestAsync("thing@example.com", [1, 2, 3]), session.ExecuteAsync("echo $one$two$three")).WaitAsync(Deadline);
            Assert.Equal([true, true], answers);
            Assert.Equal("onetwothree\n", (await SessionLab.FinishAsync(session)).Output);
        }

        Assert.Equal(["one thing@example.com 3", "two thing@example.com 3", "prepare one", "prepare two", "prepare three"], calls.Take(5));
        Assert.Equal(["end one", "end two", "end three", "dispose one", "dispose two", "dispose three"], calls.Skip(5));
    }

    private sealed class Feature(string name, bool? answer, List<string> calls) : ISessionFeature
    {
        public ValueTask<bool?> HandleRequestAsync(object session, string type, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            calls.Add($"{name} {type} {data.Length}");
            return ValueTask.FromResult(answer);
        }

        public ValueTask PrepareAsync(object session, IDictionary<string, string> environment, CancellationToken cancellationToken)
        {
            calls.Add("prepare " + name);
            environment[name] = name;
            return ValueTask.CompletedTask;
        }

        public ValueTask EndAsync(object session)
        {
            calls.Add("end " + name);
            return ValueTask.CompletedTask;
        }

        public ValueTask DisposeAsync()
        {
            calls.Add("dispose " + name);
            return ValueTask.CompletedTask;
        }
    }
}
