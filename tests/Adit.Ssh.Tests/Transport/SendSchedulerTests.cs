using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Transport;

public sealed class SendSchedulerTests : IDisposable
{
    private const int Bulk = 32 * 1024;
    private const int LargestPacket = 128 * 1024;
    private const int Quantum = 33 * 1024;

    private readonly SendScheduler _scheduler = new();
    private readonly PacketPool _pool = new();

    public void Dispose()
    {
        while (_scheduler.TakeAny() is { } packet)
            packet.Return();
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void A_keystroke_goes_before_bulk_that_was_there_first()
    {
        var bulk = Lane();
        for (int i = 0; i < 50; i++)
            Add(bulk, Bulk);
        for (int i = 0; i < 10; i++)
            Take();

        var keystroke = Lane();
        Add(keystroke, 1);

        Assert.Same(keystroke, Take().Lane);
        Assert.Same(bulk, Take().Lane);
    }

    [Fact]
    public void A_keystroke_waits_for_one_turn_of_bulk_at_most_when_its_lane_has_just_spoken()
    {
        var bulk = Lane();
        var typing = Lane();
        for (int i = 0; i < 200; i++)
            Add(bulk, Bulk);
        Take();
        for (int key = 0; key < 50; key++)
        {
            Add(typing, 1);
            int before = 0;
            while (Take() is var (lane, size) && lane != typing)
                before += size;
            Assert.InRange(before, 0, Quantum + Bulk);
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(64)]
    public void Lanes_that_always_have_something_share_the_bytes_whatever_their_packets(int count)
    {
        int[] sizes = [1024, Bulk, LargestPacket, 700, 9000];
        var lanes = Enumerable.Range(0, count).Select(_ => Lane()).ToArray();
        var sent = new Dictionary<SendLane, long>();
        for (int i = 0; i < count; i++)
        {
            sent[lanes[i]] = 0;
            Add(lanes[i], sizes[i % sizes.Length]);
        }

        for (long total = 0; total < count * 4L * 1024 * 1024;)
        {
            var (lane, size) = Take();
            Assert.NotNull(lane);
            sent[lane] += size;
            total += size;
            Add(lane, size); // it comes back before its turn is over, so it is never idle
            if (lane.State == SendLane.LaneState.Idle)
                Assert.Fail("a lane with a packet is idle");
        }

        // Deficit round robin: within one turn and one packet of each other, however long it goes on.
        Assert.InRange(sent.Values.Max() - sent.Values.Min(), 0, 2 * (Quantum + LargestPacket));
    }

    [Fact]
    public void A_lane_that_empties_and_comes_back_each_time_does_not_starve_the_others()
    {
        var steady = Lane();
        var returning = Lane();
        for (int i = 0; i < 100; i++)
            Add(steady, Bulk);
        Add(returning, Bulk);

        int fromSteady = 0;
        for (int i = 0; i < 100; i++)
        {
            var (lane, _) = Take();
            if (lane == returning)
                Add(returning, Bulk);
            else
                fromSteady++;
        }

        Assert.InRange(fromSteady, 40, 60);
    }

    [Fact]
    public void Lanes_that_empty_and_come_back_get_no_more_than_those_that_always_have_something()
    {
        // All packets are several turns long. Half of the lanes come back only when the next packet has left: what such a lane sent beyond its turn is not forgiven meanwhile.
        var lanes = Enumerable.Range(0, 8).Select(_ => Lane()).ToArray();
        var sent = lanes.ToDictionary(lane => lane, _ => 0L);
        foreach (var lane in lanes)
        {
            Add(lane, LargestPacket);
            if (IsSteady(lane))
                Add(lane, LargestPacket);
        }

        SendLane? returning = null;
        for (int i = 0; i < 2000; i++)
        {
            var (lane, size) = Take();
            Assert.NotNull(lane);
            sent[lane] += size;
            if (returning is not null)
                Add(returning, LargestPacket);
            returning = IsSteady(lane) ? null : lane;
            if (returning is null)
                Add(lane, LargestPacket);
        }

        Assert.InRange(sent.Values.Max() - sent.Values.Min(), 0, 2 * (Quantum + LargestPacket));

        bool IsSteady(SendLane lane) => Array.IndexOf(lanes, lane) % 2 == 0;
    }

    [Fact]
    public void Control_goes_before_data_and_key_exchange_before_both()
    {
        var lane = Lane();
        Add(lane, Bulk);
        var control = Packet(20);
        _scheduler.AddControl(control);
        var kex = Packet(300);
        _scheduler.AddKex(kex);

        Assert.Equal(300, Take().Size);
        Assert.Equal(20, Take().Size);
        Assert.Equal((lane, Bulk), Take());
    }

    [Fact]
    public void During_a_key_exchange_nothing_else_leaves_and_afterwards_nothing_is_missing()
    {
        var lane = Lane();
        Add(lane, Bulk);
        _scheduler.AddControl(Packet(20));
        _scheduler.Blocked = true;

        Assert.False(_scheduler.HasWork);
        Assert.Null(_scheduler.Take(out _));
        _scheduler.AddKex(Packet(300));
        Assert.Equal(300, Take().Size);
        Assert.Null(_scheduler.Take(out _));

        _scheduler.Blocked = false;
        Assert.Equal(20, Take().Size);
        Assert.Equal((lane, Bulk), Take());
        Assert.Equal((0L, 0L), (_scheduler.LaneBytes, _scheduler.ControlBytes));
    }

    private static SendLane Lane() => new(() => { });

    private PacketBuffer Packet(int payload)
    {
        var packet = _pool.Rent(payload);
        packet.PayloadLength = payload;
        return packet;
    }

    private void Add(SendLane lane, int payload) => _scheduler.Add(lane, Packet(payload));

    private (SendLane? Lane, int Size) Take()
    {
        var packet = _scheduler.Take(out var lane);
        Assert.NotNull(packet);
        int size = packet.PayloadLength;
        packet.Return();
        return (lane, size);
    }
}
