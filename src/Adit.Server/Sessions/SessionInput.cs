using Adit.Server.Processes;
using Adit.Ssh.Connection;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Sessions;

/// <summary>Carries what a client sends to its program's standard input. What the pipe or terminal takes at once goes straight from the receive buffer; the rest waits in the channel's
/// window, is written as room comes, and is credited as it is written. The receive loop never waits here.</summary>
internal sealed class SessionInput
{
    private readonly Lock _lock = new();
    private SshChannel? _channel;
    private PolledDescriptor? _target;
    private Action? _onUnwanted;
    private Backlog _backlog;
    private bool _endsAtEof;
    private bool _eof;
    private bool _closed;

    /// <summary>Whom to credit.</summary>
    public void Bind(SshChannel channel) => _channel = channel;

    /// <summary>The program is there: what came until now goes to it.</summary>
    /// <param name="target">Non-blocking; this closes it.</param>
    /// <param name="endsAtEof">The client's EOF closes it. A terminal has no such end.</param>
    /// <param name="onUnwanted">Called once when nobody will read any more, though the client may still send.</param>
    public void Attach(SafeFileHandle target, bool endsAtEof, Action onUnwanted)
    {
        int written;
        var isUnwanted = false;
        lock (_lock)
        {
            if (_closed)
            {
                target.Dispose();
                return;
            }

            (_target, _endsAtEof, _onUnwanted) = (new PolledDescriptor(target, OnReady), endsAtEof, onUnwanted);
            written = WriteBacklogLocked(ref isUnwanted);
        }

        Settle(written, isUnwanted);
    }

    public void OnData(ReadOnlySpan<byte> data)
    {
        var written = 0;
        var isUnwanted = false;
        lock (_lock)
        {
            if (_closed)
            {
                written = data.Length;
            }
            else
            {
                if (_target is not null && _backlog.IsEmpty)
                {
                    written = WriteLocked(data, ref isUnwanted);
                    data = data[written..];
                }

                if (isUnwanted)
                {
                    written += data.Length + CloseLocked();
                }
                else if (!data.IsEmpty)
                {
                    KeepLocked(data);
                }
            }
        }

        Settle(written, isUnwanted);
    }

    /// <summary>The client sends no more.</summary>
    public void OnEof()
    {
        lock (_lock)
        {
            _eof = true;
            if (_target is not null && _backlog.IsEmpty && _endsAtEof)
            {
                CloseLocked();
            }
        }
    }

    /// <summary>Nobody reads any more: what waits is dropped, and so is what comes.</summary>
    /// <param name="tell">The client is to be told, if it can still send.</param>
    public void Close(bool tell)
    {
        int dropped;
        Action? told;
        lock (_lock)
        {
            told = tell && !_closed && !_eof ? _onUnwanted : null;
            dropped = CloseLocked();
        }

        _channel?.Credit(dropped);
        told?.Invoke();
    }

    private void OnReady(uint events)
    {
        int written;
        var isUnwanted = false;
        lock (_lock)
        {
            if (_closed)
            {
                return;
            }

            if ((events & DescriptorLoop.Error) != 0 && _endsAtEof)
            {
                isUnwanted = true; // the last reader of the pipe has closed it
                written = CloseLocked();
            }
            else
            {
                written = WriteBacklogLocked(ref isUnwanted);
            }
        }

        Settle(written, isUnwanted);
    }

    /// <summary>Outside the lock: crediting may send, and whatever waits for room to send may go on in it.</summary>
    private void Settle(int credit, bool isUnwanted)
    {
        _channel!.Credit(credit);
        if (isUnwanted && !_eof)
        {
            _onUnwanted!();
        }
    }

    private void KeepLocked(ReadOnlySpan<byte> data)
    {
        var watches = _backlog.IsEmpty && _target is not null;
        _backlog.Append(data);
        if (watches)
        {
            _channel!.OnBacklog();
            _target!.Watch(DescriptorLoop.Writable);
        }
    }

    /// <summary>Writes what waits; returns how many bytes are dealt with.</summary>
    private int WriteBacklogLocked(ref bool isUnwanted)
    {
        var total = 0;
        while (!_backlog.IsEmpty)
        {
            var next = _backlog.First.Span;
            var (length, written) = (next.Length, WriteLocked(next, ref isUnwanted));
            _backlog.Consume(written);
            total += written;
            if (isUnwanted)
            {
                return total + CloseLocked();
            }

            if (written < length)
            {
                _target!.Watch(DescriptorLoop.Writable);
                return total;
            }
        }

        if (_eof && _endsAtEof)
        {
            CloseLocked();
        }
        else if (_endsAtEof)
        {
            _target!.Watch(0); // for the moment that nobody reads any more
        }

        return total;
    }

    private int WriteLocked(ReadOnlySpan<byte> data, ref bool isUnwanted)
    {
        var written = 0;
        while (written < data.Length)
        {
            var count = ProcessCalls.Write(_target!.Handle, data[written..], out var error);
            if (count > 0)
            {
                written += count;
                continue;
            }

            if (count < 0 && error != ProcessCalls.TryAgain)
            {
                isUnwanted = true;
            }

            break;
        }

        return written;
    }

    private int CloseLocked()
    {
        _closed = true;
        _target?.Close();
        return _backlog.Clear();
    }
}
