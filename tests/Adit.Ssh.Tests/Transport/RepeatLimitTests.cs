using Adit.Ssh.Tests.Authentication;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Transport;

public class RepeatLimitTests
{
    private readonly FakeTime _time = new();

    [Fact]
    public void OneLineIsShownFiveTimesAMinute()
    {
        var limit = new RepeatLimit(_time);
        Assert.Equal(
            [Repeat.First, Repeat.Again, Repeat.Again, Repeat.Again, Repeat.Last, Repeat.Hidden, Repeat.Hidden],
            Enumerable.Range(0, 7).Select(_ => limit.Next("a")));
        Assert.Equal(Repeat.First, limit.Next("b"));
        _time.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal(Repeat.Hidden, limit.Next("a"));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(Repeat.First, limit.Next("a"));
    }

    // A peer can make up a new line each time: that is bounded too, in lines and in memory.
    [Fact]
    public void AllLinesTogetherAreBounded()
    {
        var limit = new RepeatLimit(_time);
        var shown = Enumerable.Range(0, 100_000).Select(i => limit.Next($"line {i}")).Where(repeat => repeat != Repeat.Hidden).ToList();
        Assert.Equal(RepeatLimit.InAll, shown.Count);
        Assert.Equal(Repeat.Last, shown[^1]);
    }
}
