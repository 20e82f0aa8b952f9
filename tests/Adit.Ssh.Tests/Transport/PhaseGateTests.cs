using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Transport;

public class PhaseGateTests
{
    public enum Stage
    {
        BeforeKexInit,
        FirstExchange,
        FirstExchangeStrict,
        Authentication,
        AuthenticationRequested,
        RekeyInAuthentication,
        Connection,
        RekeyInConnection,
    }

    public static TheoryData<string, Stage> RolesAndStages()
    {
        var data = new TheoryData<string, Stage>();
        foreach (var stage in Enum.GetValues<Stage>())
        {
            data.Add("Client", stage);
            data.Add("Server", stage);
        }
        return data;
    }

    // INVARIANTS 1, 2, 3, 5, 6: every number, both roles, every phase, against lists written down here once more.
    [Theory]
    [MemberData(nameof(RolesAndStages))]
    public void EveryNumberHasItsVerdict(string roleName, Stage stage)
    {
        var role = Enum.Parse<SshRole>(roleName);
        bool client = role == SshRole.Client;
        // What the peer may send in the methods we have.
        int[] kex = client ? [31, 33] : [30, 32, 34];
        int[] unknownTransport = [.. Enumerable.Range(8, 12), .. Enumerable.Range(22, 8)];
        int[] unknownConnection = [.. Enumerable.Range(83, 7), .. Enumerable.Range(101, 91), .. Enumerable.Range(194, 62)];
        int[] connection = [1, 2, 3, 4, 20, 80, 81, 82, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 192, 193];
        var (legal, unimplemented, ignored) = stage switch
        {
            Stage.BeforeKexInit => ([1, 2, 3, 4, 20], unknownTransport, []),
            Stage.FirstExchange => ([1, 2, 3, 4, 21, .. kex], unknownTransport, []),
            Stage.FirstExchangeStrict => ([1, 21, .. kex], [], []),
            Stage.Authentication => (client ? [1, 2, 3, 4, 6, 20, 53] : [1, 2, 3, 4, 5, 20, 50, 61], unknownTransport, []),
            Stage.AuthenticationRequested => (client ? [1, 2, 3, 4, 6, 7, 20, 51, 52, 53, 60] : [1, 2, 3, 4, 5, 20, 50, 61], unknownTransport, []),
            Stage.RekeyInAuthentication or Stage.RekeyInConnection => ([1, 2, 3, 4, 21, .. kex], unknownTransport, []),
            _ => (connection, (int[])[.. unknownTransport, .. unknownConnection], client ? (int[])[] : [50]),
        };

        for (int id = 0; id < 256; id++)
        {
            var expected = legal.Contains(id) ? GateVerdict.Accept
                : unimplemented.Contains(id) ? GateVerdict.Unimplemented
                : ignored.Contains(id) ? GateVerdict.Ignore
                : GateVerdict.Disconnect;
            var gate = GateAt(role, stage);
            Assert.True(expected == gate.Check((byte)id), $"{role}, {stage}, {id}: expected {expected}");
        }
    }

    // INVARIANT 1: whatever the path there, nothing from 80 up passes before login.
    [Theory]
    [MemberData(nameof(RolesAndStages))]
    public void NothingFrom80UpPassesBeforeLogin(string roleName, Stage stage)
    {
        if (stage is Stage.Connection)
            return;
        for (int id = 80; id < 256; id++)
            Assert.Equal(GateVerdict.Disconnect, GateAt(Enum.Parse<SshRole>(roleName), stage).Check((byte)id));
    }

    [Fact]
    public void AClientOpensOnSuccessAndOnlyAfterARequest()
    {
        var gate = GateAt(SshRole.Client, Stage.Authentication);
        Assert.Equal(GateVerdict.Disconnect, gate.Check(52));
        Assert.Equal(SshPhase.Authentication, gate.Phase);

        gate = GateAt(SshRole.Client, Stage.AuthenticationRequested);
        Assert.Equal(GateVerdict.Disconnect, gate.Check(80));
        Assert.Equal(GateVerdict.Accept, gate.Check(52));
        Assert.Equal(SshPhase.Connection, gate.Phase);
        Assert.Equal(GateVerdict.Accept, gate.Check(80));
        Assert.Equal(GateVerdict.Disconnect, gate.Check(52));
    }

    [Fact]
    public void AServerOpensWhenToldAndNotDuringTheFirstKeyExchange()
    {
        var gate = GateAt(SshRole.Server, Stage.FirstExchange);
        Assert.Throws<InvalidOperationException>(gate.EnterConnection);
        Assert.Equal(GateVerdict.Disconnect, gate.Check(80));

        gate = GateAt(SshRole.Server, Stage.Authentication);
        Assert.Equal(GateVerdict.Disconnect, gate.Check(90));
        gate.EnterConnection();
        Assert.Equal(GateVerdict.Accept, gate.Check(90));
        Assert.Throws<InvalidOperationException>(gate.EnterConnection);
    }

    // INVARIANT 6: right behind the first NEWKEYS, and nowhere else for a client's message.
    [Theory]
    [InlineData("Client")]
    [InlineData("Server")]
    public void ExtInfoIsLegalRightBehindTheFirstNewKeysOnly(string roleName)
    {
        var role = Enum.Parse<SshRole>(roleName);
        var gate = FreshlyKeyed(role);
        Assert.Equal(GateVerdict.Accept, gate.Check(7));
        Assert.Equal(GateVerdict.Disconnect, gate.Check(7));

        gate = FreshlyKeyed(role);
        Assert.Equal(GateVerdict.Accept, gate.Check(2));
        Assert.Equal(GateVerdict.Disconnect, gate.Check(7));

        gate = GateAt(role, Stage.RekeyInConnection);
        gate.Check(21);
        gate.PeerNewKeys();
        Assert.Equal(GateVerdict.Disconnect, gate.Check(7));
    }

    // INVARIANT 6: the second place is the packet before USERAUTH_SUCCESS.
    [Fact]
    public void AServersSecondExtInfoMustBeFollowedBySuccess()
    {
        var gate = GateAt(SshRole.Client, Stage.AuthenticationRequested);
        Assert.Equal(GateVerdict.Accept, gate.Check(7));
        Assert.Equal(GateVerdict.Accept, gate.Check(52));
        Assert.Equal(GateVerdict.Disconnect, gate.Check(7));

        foreach (byte other in (byte[])[2, 4, 6, 7, 20, 51, 53, 60])
        {
            gate = GateAt(SshRole.Client, Stage.AuthenticationRequested);
            Assert.Equal(GateVerdict.Accept, gate.Check(7));
            Assert.Equal(GateVerdict.Disconnect, gate.Check(other));
        }
    }

    [Fact]
    public void AnnouncedExtInfoInAuthMayComeBeforeAnAnswerOnce()
    {
        var gate = FreshlyKeyed(SshRole.Client);
        gate.ExtInfoInAuthAnnounced();
        Assert.Equal(GateVerdict.Accept, gate.Check(7));
        Assert.Equal(GateVerdict.Accept, gate.Check(6));
        Assert.Equal(GateVerdict.Disconnect, gate.Check(7)); // nothing was requested yet

        gate = FreshlyKeyed(SshRole.Client);
        gate.ExtInfoInAuthAnnounced();
        gate.Check(6);
        gate.AuthenticationRequestSent();
        Assert.Equal(GateVerdict.Accept, gate.Check(7));
        Assert.Equal(GateVerdict.Accept, gate.Check(51));
        Assert.Equal(GateVerdict.Accept, gate.Check(7)); // before success
        Assert.Equal(GateVerdict.Disconnect, gate.Check(51));
        Assert.Equal(GateVerdict.Disconnect, gate.Check(7));
    }

    // INVARIANT 2
    [Fact]
    public void RemembersWhetherKexInitCameFirst()
    {
        foreach (byte other in (byte[])[1, 2, 3, 4, 9])
        {
            var gate = new PhaseGate(SshRole.Server);
            gate.Check(other);
            gate.Check(20);
            Assert.False(gate.KexInitWasFirst);
        }
        var clean = new PhaseGate(SshRole.Server);
        clean.Check(20);
        Assert.True(clean.KexInitWasFirst);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AWrongGuessMayBeAnyKexMessageOnce(bool strict)
    {
        var gate = new PhaseGate(SshRole.Client);
        gate.Check(20);
        gate.PeerKexInit(strict);
        gate.WrongGuessFollows();
        Assert.Equal(GateVerdict.Disconnect, gate.Check(50));
        Assert.Equal(GateVerdict.Accept, gate.Check(49));
        Assert.Equal(GateVerdict.Disconnect, gate.Check(49));
    }

    [Fact]
    public void ALoginThatSucceedsDuringARekeyCountsAfterIt()
    {
        var gate = GateAt(SshRole.Server, Stage.RekeyInAuthentication);
        gate.EnterConnection();
        Assert.Equal(GateVerdict.Disconnect, gate.Check(80));
        gate.PeerNewKeys();
        Assert.Equal(GateVerdict.Accept, gate.Check(80));
    }

    [Theory]
    [InlineData(Stage.FirstExchangeStrict, 2, "strict KEX violation: unexpected packet type 2")]
    [InlineData(Stage.RekeyInConnection, 94, "non-transport message 94 received from peer during key exchange")]
    [InlineData(Stage.Authentication, 90, "message 90 received before authentication")]
    public void TheErrorNamesNumberAndPhase(Stage stage, byte id, string message)
    {
        var gate = GateAt(SshRole.Server, stage);
        var error = gate.Violation(id);
        Assert.Equal(message, error.Message);
        Assert.Equal(DisconnectReason.ProtocolError, error.DisconnectReason);
    }

    private static PhaseGate FreshlyKeyed(SshRole role)
    {
        var gate = new PhaseGate(role);
        gate.Check(20);
        gate.PeerKexInit(strict: true);
        gate.Check(21);
        gate.PeerNewKeys();
        return gate;
    }

    private static PhaseGate GateAt(SshRole role, Stage stage)
    {
        var gate = new PhaseGate(role);
        if (stage == Stage.BeforeKexInit)
            return gate;
        gate.Check(20);
        gate.PeerKexInit(stage == Stage.FirstExchangeStrict);
        if (stage is Stage.FirstExchange or Stage.FirstExchangeStrict)
            return gate;
        gate.Check(21);
        gate.PeerNewKeys();
        gate.Check(2); // the place for EXT_INFO is past
        if (stage == Stage.Authentication)
            return gate;
        if (role == SshRole.Client)
            gate.AuthenticationRequestSent();
        if (stage is Stage.Connection or Stage.RekeyInConnection)
        {
            if (role == SshRole.Client)
                gate.Check(52);
            else
                gate.EnterConnection();
        }
        if (stage is Stage.RekeyInAuthentication or Stage.RekeyInConnection)
        {
            gate.Check(20);
            gate.PeerKexInit(strict: true);
        }
        return gate;
    }
}
