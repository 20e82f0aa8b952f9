using Adit.Ssh.Transport;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Processes;

/// <summary>What a short program reads and writes, as a whole.</summary>
internal sealed class PipeTransfer : IDisposable
{
    private readonly AsyncSignal _ready = new();
    private readonly PolledDescriptor _descriptor;
    private volatile bool _last;

    /// <param name="descriptor">Non-blocking; closed with this.</param>
    public PipeTransfer(SafeFileHandle descriptor)
    {
        ProgramLauncher.SetNonBlocking(descriptor);
        _descriptor = new PolledDescriptor(descriptor, _ => _ready.Set());
    }

    /// <summary>What is there now is the last that anybody waits for: the program has ended, and another that has its output may never.</summary>
    public void TakeTheRest()
    {
        _last = true;
        _ready.Set();
    }

    /// <summary>Reads up to the end and keeps so many bytes. What comes behind them is read and dropped, up to sixteen times as many; whoever writes more finds the pipe closed.</summary>
    public async Task<byte[]> ReadAsync(int limit)
    {
        const int patience = 16, turn = 64;
        var content = new MemoryStream();
        var buffer = new byte[16 * 1024];
        var total = 0L;
        for (var reads = 1; ; reads++)
        {
            var last = _last;
            if (last && total >= limit)
            {
                return content.ToArray(); // the program is over; this is somebody it has left behind
            }

            var count = ProcessCalls.Read(_descriptor.Handle, buffer, out var error);
            if (count > 0)
            {
                content.Write(buffer, 0, Math.Min(count, limit - (int)content.Length));
                if ((total += count) > (long)limit * patience)
                {
                    Dispose();
                    return content.ToArray();
                }

                if (reads % turn == 0)
                {
                    await Task.Yield(); // others have work to do as well
                }

                continue;
            }

            if (count == 0 || error != ProcessCalls.TryAgain || last)
            {
                return content.ToArray();
            }

            _descriptor.Watch(DescriptorLoop.Readable);
            await _ready.WaitAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Writes it all, or as much as somebody reads, then closes.</summary>
    public async Task WriteAsync(ReadOnlyMemory<byte> data)
    {
        while (!data.IsEmpty && !_last)
        {
            var count = ProcessCalls.Write(_descriptor.Handle, data.Span, out var error);
            if (count >= 0)
            {
                data = data[count..];
                continue;
            }

            if (error != ProcessCalls.TryAgain)
            {
                break;
            }

            _descriptor.Watch(DescriptorLoop.Writable);
            await _ready.WaitAsync().ConfigureAwait(false);
        }

        Dispose();
    }

    public void Dispose() => _descriptor.Close();
}
