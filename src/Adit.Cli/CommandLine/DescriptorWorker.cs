using System.Collections.Concurrent;

namespace Adit.Cli.CommandLine;

/// <summary>Reads or writes a descriptor on a thread of its own, since such calls block and a pipe or a terminal has no other way that works everywhere. One call
/// at a time.</summary>
internal sealed class DescriptorWorker : IDisposable
{
    private readonly int _descriptor;
    private readonly BlockingCollection<Action> _work = [];

    public DescriptorWorker(int descriptor)
    {
        _descriptor = descriptor;
        new Thread(Run) { IsBackground = true, Name = $"descriptor {descriptor}" }.Start();
    }

    /// <summary>As <see cref="Descriptor.Read"/>.</summary>
    public Task<int> ReadAsync(Memory<byte> buffer) => Do(() => Descriptor.Read(_descriptor, buffer.Span));

    /// <summary>As <see cref="Descriptor.Write"/>.</summary>
    public Task<bool> WriteAsync(ReadOnlyMemory<byte> data) => Do(() => Descriptor.Write(_descriptor, data.Span));

    /// <summary>The thread ends after the call it is in.</summary>
    public void Dispose() => _work.CompleteAdding();

    private Task<T> Do<T>(Func<T> call)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _work.Add(() =>
        {
            try
            {
                done.SetResult(call());
            }
            catch (IOException e)
            {
                done.SetException(e);
            }
        });
        return done.Task;
    }

    private void Run()
    {
        foreach (var call in _work.GetConsumingEnumerable())
        {
            call();
        }
    }
}
