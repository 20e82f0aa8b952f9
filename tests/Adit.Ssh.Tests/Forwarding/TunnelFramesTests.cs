using Adit.Ssh.Forwarding;

namespace Adit.Ssh.Tests.Forwarding;

public class TunnelFramesTests
{
    [Theory]
    [InlineData("0000000245aabb", "45aabb")]
    [InlineData("0000001860aa", "60aa")]
    [InlineData("", "")]
    [InlineData("00000002", "")] // no packet
    [InlineData("000000", "")]
    [InlineData("0000000a60aa", "")] // Linux's number for IPv6 is nobody's on the wire
    [InlineData("0000001845aa", "")] // not what it says
    [InlineData("0000000260aa", "")]
    public void Packets_of_the_network_layer_have_their_family_in_front(string data, string packet) =>
        Assert.Equal(packet, Convert.ToHexStringLower(TunnelFrames.Packet(TunnelMode.PointToPoint, Convert.FromHexString(data))));

    [Theory]
    [InlineData("45", "00000002")]
    [InlineData("60", "00000018")]
    [InlineData("00", "00000002")] // as OpenSSH takes it
    public void The_family_is_read_from_the_packet(string packet, string family)
    {
        var frame = new byte[5];
        frame[4] = Convert.FromHexString(packet)[0];
        TunnelFrames.WriteFamily(frame);
        Assert.Equal(family, Convert.ToHexStringLower(frame.AsSpan(0, 4)));
    }

    [Fact]
    public void Frames_of_any_bytes_stand_alone_up_to_the_largest()
    {
        var random = new Random(20261128);
        for (int i = 0; i < 2000; i++)
        {
            var data = new byte[random.Next(0, i % 10 == 0 ? 70000 : 64)];
            random.NextBytes(data);
            Assert.Equal(data.Length <= TunnelFrames.LargestPacket ? data.Length : 0, TunnelFrames.Packet(TunnelMode.Ethernet, data).Length);
            int length = TunnelFrames.Packet(TunnelMode.PointToPoint, data).Length;
            Assert.True(length == 0 || length == data.Length - TunnelFrames.FamilyLength);
        }
    }

    [Fact]
    public void The_open_message_has_the_mode_and_the_unit() =>
        Assert.Equal(("0000000200000003", "000000017fffffff"),
            (Convert.ToHexStringLower(TunnelFrames.OpenData(TunnelMode.Ethernet, 3)), Convert.ToHexStringLower(TunnelFrames.OpenData(TunnelMode.PointToPoint, -1))));
}
