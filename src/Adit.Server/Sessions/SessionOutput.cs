using System.Buffers;
using Adit.Server.Processes;
using Adit.Ssh.Connection;
using Adit.Ssh.Transport;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Sessions;

/// <summary>Carries what a program writes to its client: standard output (or the terminal) as data, standard error as extended data. Standard output is read straight into packets.
/// While the channel takes nothing, nothing is read, and the program waits.</summary>
internal sealed class SessionOutput
{
    private const uint StandardErrorCode = 1;
    private const int FirstRead = 4 * 1024;
    private const int ErrorRead = 16 * 1024;
    private const int ReadsPerTurn = 8;

    private readonly SshChannel _channel;
    private readonly Action _onDry;
    private readonly AsyncSignal _wake = new();
    private readonly Source _output;
    private readonly Source? _error;
    private volatile bool _programEnded;
    private volatile bool _isUnwanted;

    /// <param name="channel">Where it goes.</param>
    /// <param name="output">Non-blocking; this closes it.</param>
    /// <param name="error">The same; null where there is none of its own.</param>
    /// <param name="onDry">Called once, when the program has ended and all that it had written is sent, even if others still have its output open.</param>
    public SessionOutput(SshChannel channel, SafeFileHandle output, SafeFileHandle? error, Action onDry)
    {
        (_channel, _onDry) = (channel, onDry);
        _output = new Source(output, _wake);
        _error = error is null ? null : new Source(error, _wake);
    }

    /// <summary>The program has ended.</summary>
    public void ProgramEnded()
    {
        _programEnded = true;
        _wake.Set();
    }

    /// <summary>Nobody wants the standard output any more: it is closed, and standard error goes on.</summary>
    public void Unwanted()
    {
        _isUnwanted = true;
        _wake.Set();
        _channel.WakePump();
    }

    /// <summary>The channel takes nothing any more.</summary>
    public void ChannelClosed() => _wake.Set();

    /// <summary>Runs until nobody can write any more, or the channel takes nothing any more (false). Closes what it reads.</summary>
    public async Task<bool> RunAsync()
    {
        try
        {
            return await PumpAsync().ConfigureAwait(false);
        }
        finally
        {
            _output.End();
            _error?.End();
        }
    }

    private async Task<bool> PumpAsync()
    {
        var streak = 0;
        var (isLast, isDry) = (false, false);
        while (true)
        {
            var allowance = _channel.SendAllowance;
            if (allowance < 0)
            {
                return false;
            }

            if (_isUnwanted && !_output.HasEnded)
            {
                _output.End();
            }

            if (allowance == 0 && !_output.HasEnded)
            {
                await _channel.WaitToPumpAsync().ConfigureAwait(false);
                streak = 0;
                continue;
            }

            if (_programEnded && !isLast)
            {
                isLast = true;
                _output.IsReady = true;
                if (_error is not null)
                {
                    _error.IsReady = true;
                }
            }

            var progress = _output.CanRead && ReadOutput(allowance);
            if (_error is { CanRead: true })
            {
                progress |= await ReadErrorAsync().ConfigureAwait(false);
            }

            if (_output.HasEnded && _error is null or { HasEnded: true })
            {
                return true;
            }

            if (progress)
            {
                if (ThreadTurn.IsOver(ref streak))
                {
                    await ThreadTurn.NextAsync();
                }

                continue;
            }

            if (isLast && !isDry)
            {
                isDry = true;
                _onDry();
            }

            await _wake.WaitAsync(mayInline: true).ConfigureAwait(false);
            streak = 0;
        }
    }

    /// <summary>Fills packets and sends them. False when there was nothing to read.</summary>
    private bool ReadOutput(int allowance)
    {
        var progress = false;
        for (var turn = 0; turn < ReadsPerTurn && allowance > 0; turn++)
        {
            var size = Math.Min(Math.Min(allowance, _channel.MaxData), _output.ReadSize);
            var packet = _channel.Rent(size);
            var count = _output.Read(packet.DataArea(size).Span);
            if (count <= 0)
            {
                packet.Return();
                break;
            }

            progress = true;
            if (count == size)
            {
                _output.ReadSize = Math.Min(_output.ReadSize * 2, _channel.MaxData);
            }

            if (!_channel.SendData(packet, count, flush: false))
            {
                break;
            }

            if (count < size)
            {
                _output.ReadSize = Math.Max(Math.Min(_output.ReadSize, count * 2), FirstRead);
            }

            allowance = _channel.SendAllowance;
        }

        if (progress)
        {
            _channel.Flush();
        }

        return progress;
    }

    private async ValueTask<bool> ReadErrorAsync()
    {
        var buffer = ArrayPool<byte>.Shared.Rent(ErrorRead);
        try
        {
            var count = _error!.Read(buffer);
            if (count <= 0)
            {
                return false;
            }

            await _channel.SendExtendedAsync(StandardErrorCode, buffer.AsMemory(0, count)).ConfigureAwait(false);
            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private sealed class Source
    {
        private readonly PolledDescriptor _descriptor;
        private volatile bool _isReady = true;

        public Source(SafeFileHandle handle, AsyncSignal wake) => _descriptor = new PolledDescriptor(handle, _ =>
        {
            _isReady = true;
            wake.Set(inline: true);
        });

        /// <summary>It may have something: set until a read finds nothing.</summary>
        public bool IsReady
        {
            get => _isReady;
            set => _isReady = value;
        }

        public bool HasEnded { get; private set; }

        public bool CanRead => !HasEnded && _isReady;

        public int ReadSize { get; set; } = FirstRead;

        /// <summary>-1 when there is nothing now, 0 when there never will be.</summary>
        public int Read(Span<byte> buffer)
        {
            var count = ProcessCalls.Read(_descriptor.Handle, buffer, out var error);
            if (count > 0)
            {
                return count;
            }

            if (count < 0 && error == ProcessCalls.TryAgain)
            {
                _isReady = false;
                _descriptor.Watch(DescriptorLoop.Readable);
                return -1;
            }

            // A terminal whose other end is closed gives an error (EIO).
            End();
            return 0;
        }

        public void End()
        {
            HasEnded = true;
            _descriptor.Close();
        }
    }
}
