using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Transport;

public class RekeyPolicyTests
{
    private sealed class Clock : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;

        public void Advance(TimeSpan time) => _ticks += time.Ticks;
    }

    [Fact]
    public void CipherDefaultsAreOpenSshs()
    {
        Assert.Equal(1UL << 32, RekeyPolicy.MaxBlocks(16, null));
        Assert.Equal((1UL << 30) / 8, RekeyPolicy.MaxBlocks(8, null));
        Assert.Equal(1UL, RekeyPolicy.MaxBlocks(16, 16));
        Assert.Equal(2UL, RekeyPolicy.MaxBlocks(8, 16));
        Assert.Equal((1UL << 20) / 16, RekeyPolicy.MaxBlocks(16, 1 << 20));
    }

    [Fact]
    public void NothingIsDueBeforeLogin()
    {
        var policy = Keyed(new RekeyLimit(16, null), loggedIn: false);
        for (int i = 0; i < 100; i++)
            policy.Sent(1024);
        Assert.False(policy.ShouldRekey());
        policy.AuthenticationCompleted();
        Assert.True(policy.ShouldRekey());
    }

    [Fact]
    public void BytesCountInEachDirection()
    {
        var policy = Keyed(new RekeyLimit(4096, null));
        policy.Sent(4096);
        Assert.False(policy.ShouldRekey());
        Assert.True(policy.ShouldRekey(nextBytes: 1));
        policy.Sent(16);
        Assert.True(policy.ShouldRekey());

        policy = Keyed(new RekeyLimit(4096, null));
        policy.Received(4096);
        Assert.False(policy.ShouldRekey());
        policy.Received(16);
        Assert.True(policy.ShouldRekey());
        policy.OutboundKeyed(16);
        policy.InboundKeyed(16);
        Assert.False(policy.ShouldRekey());
    }

    [Fact]
    public void ARekeyThatIsAskedForIsDueOnce()
    {
        var policy = Keyed(new RekeyLimit(null, null));
        policy.Sent(16);
        Assert.False(policy.ShouldRekey());
        policy.Ask();
        Assert.True(policy.ShouldRekey());
        policy.OutboundKeyed(16);
        policy.InboundKeyed(16);
        policy.Sent(16);
        Assert.False(policy.ShouldRekey());
    }

    [Fact]
    public void WithTheSmallestLimitOnePacketPassesUnderEveryKey()
    {
        var policy = Keyed(new RekeyLimit(16, null));
        for (int round = 0; round < 3; round++)
        {
            Assert.False(policy.ShouldRekey(nextBytes: 32768));
            policy.Sent(32768);
            Assert.True(policy.ShouldRekey());
            policy.OutboundKeyed(16);
            policy.InboundKeyed(16);
        }
        // What the peer sent does not take that one packet away.
        policy.Received(16);
        Assert.False(policy.ShouldRekey(nextBytes: 32768));
    }

    [Fact]
    public void TheIntervalCountsFromTheLastKeys()
    {
        var clock = new Clock();
        var policy = Keyed(new RekeyLimit(null, TimeSpan.FromMinutes(5)), clock: clock);
        clock.Advance(TimeSpan.FromMinutes(6));
        Assert.False(policy.ShouldRekey()); // nothing passed under these keys
        policy.Received(64);
        Assert.True(policy.ShouldRekey());
        Assert.Equal(TimeSpan.Zero, policy.UntilInterval);
        policy.OutboundKeyed(16);
        policy.InboundKeyed(16);
        policy.Sent(64);
        Assert.Equal(TimeSpan.FromMinutes(5), policy.UntilInterval);
        clock.Advance(TimeSpan.FromMinutes(4));
        Assert.False(policy.ShouldRekey());
        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.True(policy.ShouldRekey());
    }

    [Fact]
    public void NothingIsDueWhileOnlyOneDirectionHasNewKeys()
    {
        var policy = Keyed(new RekeyLimit(16, null));
        policy.Sent(1024);
        policy.Received(1024);
        Assert.True(policy.ShouldRekey());
        policy.InboundKeyed(16);
        policy.Received(1024);
        Assert.False(policy.ShouldRekey());
        policy.OutboundKeyed(16);
        Assert.True(policy.ShouldRekey());
    }

    [Fact]
    public void LimitsBelow16AreRefused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new RekeyPolicy(new RekeyLimit(15, null), TimeProvider.System));

    // INVARIANT 29: no sequence number comes twice under one key.
    [Fact]
    public void PacketsAreCountedToOpenSshsLimitAndStopBeforeTheWrap()
    {
        var policy = Keyed(RekeyLimit.Default);
        policy.SetPacketsForTest(sent: RekeyPolicy.MaxPackets, received: 0);
        Assert.False(policy.ShouldRekey());
        policy.Sent(16);
        Assert.True(policy.ShouldRekey());

        policy.SetPacketsForTest(sent: RekeyPolicy.HardPacketLimit - 1, received: RekeyPolicy.HardPacketLimit - 1);
        policy.Sent(16);
        policy.Received(16);
        Assert.Throws<SshException>(() => policy.Sent(16));
        Assert.Throws<SshException>(() => policy.Received(16));
        Assert.True(RekeyPolicy.HardPacketLimit < 1L << 32);
    }

    private static RekeyPolicy Keyed(RekeyLimit limit, bool loggedIn = true, TimeProvider? clock = null)
    {
        var policy = new RekeyPolicy(limit, clock ?? new Clock());
        policy.OutboundKeyed(16);
        policy.InboundKeyed(16);
        if (loggedIn)
            policy.AuthenticationCompleted();
        return policy;
    }
}
