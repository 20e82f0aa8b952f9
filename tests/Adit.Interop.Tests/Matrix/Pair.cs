using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Matrix;

/// <summary>What every pair of client and server has to do: bulk data both ways at once, checked, and half-close in both directions.</summary>
internal static class Pair
{
    public const int Bulk = 64 * Payload.MiB;

    public static Task RunAsync(Peer client, Peer server, string kind, string name) => Lab.RunAsync(async lab =>
    {
        Algorithms algorithms = Algorithms.Of(kind, name);
        await using Service exchange = Service.Exchange(Bulk, lab.Deadline);
        await using Service answer = Service.AnswerAfterEof(lab.Deadline);
        await using Service greet = Service.GreetThenListen(lab.Deadline);

        Server there = await lab.StartServerAsync(server, new ServerOptions { Algorithms = algorithms });
        Client here = await lab.StartClientAsync(
            client, there, new ClientOptions { Algorithms = algorithms, Targets = [exchange.Port, answer.Port, greet.Port] });

        await Traffic.AskAfterEofAsync(here.Ports[1], lab.Deadline);
        await answer.CompleteAsync(lab.Deadline);
        await Traffic.TalkAfterTheirEofAsync(here.Ports[2], lab.Deadline);
        await greet.CompleteAsync(lab.Deadline);
        await Traffic.ExchangeAsync(here.Ports[0], Bulk, lab.Deadline, endsLast: client == Peer.Plink);
        await exchange.CompleteAsync(lab.Deadline);
        Assert.False(here.Process.HasExited, "the client ended by itself");
        Assert.False(there.Process.HasExited, "the server ended by itself");
    });
}
