using System.Runtime.Versioning;
using Adit.Server.Processes;
using Adit.Server.Sessions;
using Adit.Ssh;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Server.Tests.Sessions;

/// <summary>What hostile clients put into the requests of sessions (INVARIANTS 30).</summary>
[SupportedOSPlatform("linux")]
public class SessionRequestFuzzTests
{
    private static readonly string[] Types = ["shell", "exec", "subsystem", "pty-req", "env", "window-change", "signal", "break", "x11-req", "auth-agent-req@openssh.com", ""];

    [Fact]
    public void AnyBytesAreReadOrRefused()
    {
        var random = new Random(20261127);
        for (var i = 0; i < 60_000; i++)
        {
            var data = i % 2 == 0 ? Mutate(Sound(random), random) : Bytes(random, random.Next(64));
            try
            {
                var request = SessionRequest.Read(Types[random.Next(Types.Length)], data, wantReply: true);
                Assert.InRange(request.Size, 0, data.Length);
            }
            catch (SshException refusal)
            {
                Assert.Equal(SshError.ProtocolError, refusal.Error);
            }
        }
    }

    [Fact]
    public void AnyTerminalModesLeaveTheAttributesTheirSize()
    {
        var random = new Random(4254);
        for (var i = 0; i < 20_000; i++)
        {
            var attributes = new byte[TerminalModes.AttributesLength];
            TerminalModes.Apply(Bytes(random, random.Next(200)), attributes);
        }
    }

    [Theory]
    [InlineData("exec")]
    [InlineData("subsystem")]
    [InlineData("signal")]
    public void TextWithANulInsideIsRefused(string type)
    {
        Assert.Throws<SshException>(() => SessionRequest.Read(type, Strings("a\0b"), true));
        Assert.NotNull(SessionRequest.Read(type, Strings("a\0"), true)); // C's own end
    }

    [Fact]
    public async Task HostileRequestsEndOneConnectionAtMostAndTheServerServesOn()
    {
        await using var lab = await SessionLab.StartAsync("AcceptEnv *");
        var random = new Random(6);
        for (var i = 0; i < 40; i++)
        {
            await using var client = await lab.ConnectAsync();
            try
            {
                await using var session = await client.OpenSessionAsync();
                for (var j = 0; j < 30; j++)
                {
                    var type = Types[random.Next(1, Types.Length)]; // no shells: they would wait for input
                    session.Channel.Notify(type == "exec" ? "env" : type, random.Next(3) == 0 ? Bytes(random, random.Next(40)) : Mutate(Sound(random), random));
                }

                await session.ExecuteAsync("true").WaitAsync(SessionLab.Deadline);
            }
            catch (SshException)
            {
                // the server has ended it
            }
        }

        Assert.Equal("fine\n", (await lab.RunAsync("echo fine")).Output);
        Assert.DoesNotContain(lab.Log.Errors, line => line.Contains("internal error", StringComparison.Ordinal) || line.Contains("a request failed", StringComparison.Ordinal));
    }

    // The receive loop would hold whatever comes while a slow start is under way.
    [Fact]
    public async Task AFloodOfRequestsEndsTheConnection()
    {
        var gate = new TaskCompletionSource();
        await using var lab = await SessionLab.StartAsync("", "", _ => new Stuck(gate.Task));
        await using var client = await lab.ConnectAsync();
        await using var session = await client.OpenSessionAsync();
        session.Channel.Notify("stuck@example.com", []);
        for (var i = 0; i < 40 && !client.Completion.IsCompleted; i++)
        {
            session.Channel.Notify("env", Strings("A", new string('x', 30_000)));
        }

        await Assert.ThrowsAsync<SshException>(() => client.Completion).WaitAsync(SessionLab.Deadline);
        gate.SetResult();
    }

    private static byte[] Sound(Random random) => random.Next(4) switch
    {
        0 => Strings("ls -l"),
        1 => Strings("NAME", "value"),
        2 => new PtyRequestData("xterm", new WindowSize(80, 24, 0, 0), [1, 0, 0, 0, 3, 128, 0, 0, 150, 0, 0]).ToArray(),
        _ => new WindowSize(uint.MaxValue, 0, 70000, 1).ToArray(),
    };

    private static byte[] Mutate(byte[] data, Random random)
    {
        for (var i = random.Next(3); i > 0 && data.Length > 0; i--)
        {
            switch (random.Next(3))
            {
                case 0:
                    data[random.Next(data.Length)] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    data = data[..random.Next(data.Length)];
                    break;
                default:
                    data = [.. data, .. Bytes(random, random.Next(8))];
                    break;
            }
        }

        return data;
    }

    private static byte[] Bytes(Random random, int length)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }

    private static byte[] Strings(params string[] texts)
    {
        var writer = new SshWriter(64);
        foreach (var text in texts)
        {
            writer.WriteString(text);
        }

        return writer.ToArray();
    }

    // A signal to another user's program costs a helper process.
    [Fact]
    public async Task SignalsThatPileUpAreRefused()
    {
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var lab = await SessionLab.StartAsync("", "", _ => new Stuck(release.Task));
        await using var session = await lab.Client.OpenSessionAsync().WaitAsync(SessionLab.Deadline);
        var held = session.Channel.RequestAsync("hold@test", default);
        for (var i = 0; i < 20; i++)
        {
            session.SendSignal("USR1");
        }

        // What comes behind the signals is answered: they have arrived.
        await using var other = await lab.Client.OpenSessionAsync().WaitAsync(SessionLab.Deadline);
        var last = session.Channel.RequestAsync("last@test", default);
        release.SetResult();
        Assert.False(await held.WaitAsync(SessionLab.Deadline));
        Assert.False(await last.WaitAsync(SessionLab.Deadline));
        Assert.Equal(12, lab.Log.Lines.Count(line => line.Contains("refusing signal USR1: 8 wait already", StringComparison.Ordinal)));
    }

    private sealed class Stuck(Task until) : ISessionFeature
    {
        public async ValueTask<bool?> HandleRequestAsync(object session, string type, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            await until;
            return false;
        }

        public ValueTask PrepareAsync(object session, IDictionary<string, string> environment, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask EndAsync(object session) => ValueTask.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
