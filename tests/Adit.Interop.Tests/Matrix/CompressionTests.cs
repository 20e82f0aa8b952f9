using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Matrix;

/// <summary>zlib@openssh.com with everybody: the data comes through, and what crosses the wire is less than what was sent.</summary>
public sealed class CompressionTests
{
    private const int Length = 32 * Payload.MiB;

    [Theory]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.Adit, Peer.Dropbear)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    [InlineData(Peer.Dropbear, Peer.Adit)]
    [InlineData(Peer.Plink, Peer.Adit)]
    [InlineData(Peer.AsyncSsh, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.Adit)]
    public Task Compresses_what_can_be_compressed(Peer client, Peer server) => RunAsync(client, server, rekeyBytes: null);

    // Each key exchange starts the compression afresh.
    [Theory]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.Adit)]
    public Task Compresses_across_rekeys(Peer client, Peer server) => RunAsync(client, server, rekeyBytes: Payload.MiB);

    private static Task RunAsync(Peer client, Peer server, int? rekeyBytes) => Lab.RunAsync(async lab =>
    {
        await using Service text = Service.Exchange(Length, lab.Deadline, compressible: true);
        await using Service noise = Service.Exchange(Length / 4, lab.Deadline);
        await using Service answer = Service.AnswerAfterEof(lab.Deadline);
        Server there = await lab.StartServerAsync(
            server, new ServerOptions { Lines = ["Compression yes", .. rekeyBytes is int limit ? [$"RekeyLimit {limit}"] : Array.Empty<string>()] });
        await using Relay wire = Relay.To(there.Port, lab.Deadline);
        Client here = await lab.StartClientAsync(
            client,
            there,
            new ClientOptions
            {
                Compression = true,
                RekeyBytes = rekeyBytes,
                ConnectPort = wire.Port,
                Targets = [text.Port, noise.Port, answer.Port],
            });

        await Traffic.ExchangeAsync(here.Ports[0], Length, lab.Deadline, compressible: true);
        await text.CompleteAsync(lab.Deadline);
        Assert.True(wire.Bytes < Length, $"{wire.Bytes} bytes on the wire for twice {Length}");

        await Traffic.ExchangeAsync(here.Ports[1], Length / 4, lab.Deadline);
        await noise.CompleteAsync(lab.Deadline);
        await Traffic.AskAfterEofAsync(here.Ports[2], lab.Deadline);
    });
}
