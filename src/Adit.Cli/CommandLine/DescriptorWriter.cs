namespace Adit.Cli.CommandLine;

/// <summary>Writes a descriptor: a little at once where there is room, so that what a person waits for takes no detour, and the rest on a thread of its own, since such writes block.
/// One write at a time.</summary>
internal sealed class DescriptorWriter(int descriptor) : IDisposable
{
    /// <summary>What a pipe takes whole when it says that it has room (PIPE_BUF).</summary>
    private const int Little = 4096;

    private DescriptorWorker? _worker;

    /// <summary>As <see cref="Descriptor.Write"/>.</summary>
    public ValueTask<bool> WriteAsync(ReadOnlyMemory<byte> data) =>
        data.Length <= Little && Descriptor.HasRoom(descriptor)
            ? ValueTask.FromResult(Descriptor.Write(descriptor, data.Span))
            : new ValueTask<bool>((_worker ??= new DescriptorWorker(descriptor)).WriteAsync(data));

    public void Dispose() => _worker?.Dispose();
}
