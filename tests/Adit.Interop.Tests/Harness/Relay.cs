using System.Net.Sockets;

namespace Adit.Interop.Tests.Harness;

/// <summary>A relay between an SSH client and its server: counts what really crosses the wire, and can cut it.</summary>
internal sealed class Relay : IAsyncDisposable
{
    private readonly Service _service;
    private readonly CancellationTokenSource _cut = new();
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _bytes;

    private Relay(int targetPort, CancellationToken cancellation) =>
        _service = Service.Start((socket, stop) => RelayAsync(socket, targetPort, stop), cancellation);

    public int Port => _service.Port;

    /// <summary>Bytes in both directions so far.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Completes when both directions of the first connection have ended: all its bytes are counted.</summary>
    public Task Over => _over.Task;

    public static Relay To(int targetPort, CancellationToken cancellation) => new(targetPort, cancellation);

    /// <summary>From now on nothing passes any more, and neither end is told: a pulled cable.</summary>
    public void Silence() => _cut.Cancel();

    public async ValueTask DisposeAsync()
    {
        await _service.DisposeAsync();
        _cut.Dispose();
    }

    private async Task RelayAsync(Socket near, int targetPort, CancellationToken stop)
    {
        using Socket far = await Net.ConnectAsync(targetPort, stop);
        try
        {
            await Task.WhenAll(CopyAsync(near, far, stop), CopyAsync(far, near, stop));
        }
        finally
        {
            _over.TrySetResult();
        }
    }

    private async Task CopyAsync(Socket from, Socket to, CancellationToken stop)
    {
        byte[] buffer = new byte[128 * 1024];
        while (await from.ReceiveAsync(buffer, SocketFlags.None, stop) is var count and > 0)
        {
            if (_cut.IsCancellationRequested)
            {
                await Task.Delay(Timeout.Infinite, stop);
            }

            Interlocked.Add(ref _bytes, count);
            await Net.SendAllAsync(to, buffer.AsMemory(0, count), stop);
        }

        to.Shutdown(SocketShutdown.Send);
    }
}
