using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Transport;

/// <summary>INVARIANTS 17: what waits for a peer that does not read is bounded, and each lane still has its turn.</summary>
public sealed class SendLimitsTests
{
    private const int Mebibyte = 1024 * 1024;

    // As many channels as a connection can have, each with more to send than it may.
    [Theory]
    [InlineData(1, 1)]
    [InlineData(1000, 40)]
    [InlineData(65_536, 320)]
    public void All_lanes_together_hold_little_however_many_they_are(int lanes, int mebibytes)
    {
        var pool = new PacketPool();
        long all = 0;
        for (int lane = 0; lane < lanes; lane++)
        {
            int queued = 0;
            int packets = 0;
            for (int room; (room = SendLimits.Room(queued, all)) > 0; packets++)
            {
                var packet = pool.Rent(PacketBuffer.DataHeaderLength + Math.Min(room, 32 * 1024));
                queued += packet.Footprint;
                all += packet.Footprint;
                packet.Return();
            }
            Assert.NotEqual(0, packets); // or it would never be told that there is room again
        }
        Assert.InRange(all, 0, (long)mebibytes * Mebibyte);
    }

    [Fact]
    public void A_lane_alone_has_room_for_full_packets_only()
    {
        int packets = 0;
        var pool = new PacketPool();
        var full = pool.Rent(PacketPool.MediumPayload);
        for (int queued = 0, room; (room = SendLimits.Room(queued, queued)) > 0; queued += full.Footprint, packets++)
            Assert.InRange(room, 32 * 1024, SendLimits.LaneBytes);
        Assert.Equal(8, packets);
        full.Return();
    }
}
