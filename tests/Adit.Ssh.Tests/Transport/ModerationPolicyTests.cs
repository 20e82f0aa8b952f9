using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Transport;

public class ModerationPolicyTests
{
    private const int Piece = 64 * 1024;

    // Pieces, so many nanoseconds apart; each drains the socket.
    private static int Stream(ModerationPolicy policy, ref long now, long apart, long bytes, int piece = Piece)
    {
        int wait = 1;
        for (long sent = 0; sent < bytes; sent += piece)
        {
            now += apart;
            policy.Received(piece);
            wait = policy.NextWait(now, wasLate: false);
        }
        return wait;
    }

    [Theory]
    [InlineData(64, 64_000, 128 * 1024)] // 1 GB/s: 200 KiB in the time
    [InlineData(64, 20_000, 256 * 1024)] // 3.3 GB/s: more than is waited for at most
    [InlineData(32, 64_000, 64 * 1024)] // 512 MB/s
    [InlineData(16, 100_000, 32 * 1024)] // 164 MB/s
    [InlineData(16, 105_000, 1)] // 156 MB/s: too slow
    [InlineData(64, 5_000_000, 1)]
    [InlineData(256, 200_000, 1)] // 1.3 GB/s, but in large pieces
    public void WhatComesInTheTimeIsWaitedFor(int piece, long apart, int expected)
    {
        long now = 0;
        Assert.Equal(expected, Stream(new ModerationPolicy(0), ref now, apart, 8 << 20, piece * 1024));
    }

    // Woken for more, it cannot tell any more how the pieces come; so now and then it looks.
    [Fact]
    public void AStreamIsLookedAtAnewNowAndThen()
    {
        var policy = new ModerationPolicy(0);
        long now = 0;
        Stream(policy, ref now, 64_000, 8 << 20);
        int plain = 0;
        for (int i = 0; i < 10_000; i++)
        {
            now += 128_000;
            policy.Received(2 * Piece);
            plain += policy.NextWait(now, wasLate: false) == 1 ? 1 : 0;
        }
        Assert.InRange(plain, 10, 500);
    }

    [Fact]
    public void NobodyWaitsForMoreBeforeAMebibyteHasCome()
    {
        var policy = new ModerationPolicy(0);
        long now = 0;
        Assert.Equal(1, Stream(policy, ref now, 64_000, (1 << 20) - Piece));
        Assert.NotEqual(1, Stream(policy, ref now, 64_000, 1 << 20));
    }

    // A keystroke after a screenful, an answer's last bytes: what comes next may be a byte.
    [Fact]
    public void AfterALittleTheNextWaitIsForOneByte()
    {
        var policy = new ModerationPolicy(0);
        long now = 0;
        Stream(policy, ref now, 64_000, 8 << 20);
        policy.Received(ModerationPolicy.Much - 1);
        Assert.Equal(1, policy.NextWait(now += 1000, wasLate: false));
    }

    [Fact]
    public void AfterAWaitInVainTheNextIsForOneByteAndThenItGoesOn()
    {
        var policy = new ModerationPolicy(0);
        long now = 0;
        Stream(policy, ref now, 64_000, 8 << 20);
        policy.Received(Piece);
        Assert.Equal(1, policy.NextWait(now += ModerationPolicy.Patience, wasLate: true));
        policy.Received(Piece);
        Assert.NotEqual(1, policy.NextWait(now += 1000, wasLate: false));
    }

    // Answers of two mebibytes, each of which ends in a wait in vain: a few percent of the time is lost at most.
    [Fact]
    public void AnswersThatEndAreNotHeldUpEachTime()
    {
        var policy = new ModerationPolicy(0);
        long now = 0;
        long lost = 0;
        for (int answer = 0; answer < 1000; answer++)
        {
            int wait = Stream(policy, ref now, 16_000, 320 * 1024);
            if (wait == 1)
                continue;
            lost += ModerationPolicy.Patience;
            now += ModerationPolicy.Patience;
            policy.NextWait(now, wasLate: true);
        }
        Assert.InRange(lost, 1, now / 10);
    }

    // A sender whose own buffer holds less than is waited for stops each time: that is found out and given up.
    [Fact]
    public void ASenderThatCannotSendSoMuchIsLeftAlone()
    {
        var policy = new ModerationPolicy(0);
        long now = 0;
        long lost = 0;
        bool late = false;
        for (int i = 0; i < 100_000; i++)
        {
            int wait = policy.NextWait(now += 20_000, late);
            late = wait > Piece;
            if (late)
            {
                now += ModerationPolicy.Patience;
                lost += ModerationPolicy.Patience;
            }
            policy.Received(Piece);
        }
        Assert.InRange(lost, 1, now / 50);
    }

    [Fact]
    public void WhatIsWaitedForIsBoundedWhateverComes()
    {
        var random = new Random(20261128);
        var policy = new ModerationPolicy(0);
        long now = 0;
        for (int i = 0; i < 200_000; i++)
        {
            policy.Received(random.Next(4) == 0 ? random.Next(1, 1000) : random.Next(1, 256 * 1024));
            now += random.NextInt64(random.Next(3) == 0 ? 10_000_000 : 100_000);
            Assert.InRange(policy.NextWait(now, random.Next(10) == 0), 1, ModerationPolicy.MostLowWater);
        }
    }
}
