namespace Adit.Bench.Cases;

/// <summary>All cases, in the order they run and are shown.</summary>
internal static class Catalog
{
    public static IReadOnlyList<BenchCase> All { get; } =
    [
        StreamCase.Aes,
        StreamCase.ChaCha20,
        StreamCase.Defaults,
        new ManyStreamsCase(),
        StreamCase.Mixed,
        new IdleCase(),
        new MemoryCase(),
        new OpenCase(),
        new EchoCase(),
        new ConnectCase(),
        new LongLinkCase(),
        new StartUpCase(),
        new ClientsCase(),
        StreamCase.Rekey,
        new CompressionCase(),
        new AllocationCase(),
    ];
}
