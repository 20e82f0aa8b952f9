using System.Net.Sockets;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Transport;

/// <summary>The loop that receives: bytes into the reader, every packet through the gate and on to whom it concerns, in the order of arrival. It waits for nobody but the
/// key exchange, during which nothing else may be received anyway.</summary>
internal sealed class ReceiveLoop
{
    private readonly ByteTransport _bytes;
    private readonly TransportOptions _options;
    private readonly PacketReader _reader;
    private readonly PhaseGate _gate;
    private readonly VersionExchange _version;
    private readonly TransportKexSink _kexSink;
    private readonly TransportMessageHandler _messages;
    private readonly RekeyStarter _rekeyStarter;
    private readonly TransportLifetime _lifetime;
    private readonly ILogger _logger;
    private long _bytesBeforeLogin;
    private long _receiveCount;

    public ReceiveLoop(ByteTransport bytes, TransportOptions options, PacketReader reader, PhaseGate gate, VersionExchange version, TransportKexSink kexSink,
        TransportMessageHandler messages, RekeyStarter rekeyStarter, TransportLifetime lifetime)
    {
        _bytes = bytes;
        _options = options;
        _reader = reader;
        _gate = gate;
        _version = version;
        _kexSink = kexSink;
        _messages = messages;
        _rekeyStarter = rekeyStarter;
        _lifetime = lifetime;
        _logger = options.Logger;
    }

    /// <summary>See <see cref="SshTransport.ReceiveCount"/>.</summary>
    public long ReceiveCount => Volatile.Read(ref _receiveCount);

    /// <summary>Runs until the connection has ended. Faults never: whatever goes wrong ends the connection.</summary>
    public async Task RunAsync()
    {
        int streak = 0;
        try
        {
            while (true)
            {
                int room = _reader.GetReceiveSpan().Length;
                int count = _bytes.TryReceive(_reader.GetReceiveSpan());
                if (count == ByteTransport.WouldBlock)
                {
                    _reader.ReleaseIfEmpty();
                    await _bytes.WaitReadableAsync().ConfigureAwait(false);
                    streak = 0;
                    continue;
                }
                if (count == 0)
                {
                    _lifetime.End(_lifetime.Lost(null));
                    return;
                }
                if (_lifetime.Reason is not null)
                {
                    _reader.Discard(); // the peer's last words are read so that ours are not reset away
                    continue;
                }
                _reader.Received(count);
                Volatile.Write(ref _receiveCount, _receiveCount + 1);
                if (_gate.Phase != SshPhase.Connection)
                    CountBeforeLogin(count);
                if (!_version.IsComplete && !_options.IsBare)
                    _reader.Consume(_messages.OnVersion(_reader.Unread));
                while (true)
                {
                    var pending = DispatchBuffered(out bool more);
                    await pending.ConfigureAwait(false);
                    if (!more)
                        break;
                }
                // Not before what came along with NEWKEYS was read: EXT_INFO tells the login what the server can do.
                if (_kexSink.FirstIsDone)
                    _lifetime.OnFirstKex();
                _lifetime.Connection?.OnBatchEnd();
                _rekeyStarter.StartIfDue();
                if (count < room)
                {
                    // Drained: asking again now would be one system call for nothing.
                    _reader.ReleaseIfEmpty();
                    await _bytes.WaitReadableAsync().ConfigureAwait(false);
                    streak = 0;
                }
                else if (ThreadTurn.IsOver(ref streak))
                {
                    await ThreadTurn.NextAsync();
                }
            }
        }
        catch (SshException e)
        {
            _logger.LogDebug("{Fault}", e.Message);
            await EndReceivingAsync(e).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            await EndReceivingAsync(_lifetime.Lost(e)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_lifetime.Reason is not null)
        {
            // the key exchange was given up because the connection is over
        }
        catch (Exception e)
        {
            _logger.LogError(e, "internal error in the receive loop");
            await EndReceivingAsync(new SshException(SshError.Unknown, $"internal error: {e.Message}", e) { DisconnectReason = DisconnectReason.ByApplication }).ConfigureAwait(false);
        }
    }

    /// <summary>Ends the connection from within the receive loop. What came before the fatal packet is delivered while it still lies in our buffer. Then the
    /// peer's last words are read until it hangs up or <see cref="TransportLifetime"/> does, for closing with unread bytes would reset ours away.</summary>
    private async Task EndReceivingAsync(SshException reason)
    {
        try
        {
            _lifetime.Connection?.OnBatchEnd();
            _lifetime.End(reason);
            _reader.Discard();
            for (int count = 1; count != 0 && reason.Error != SshError.ConnectionLost;)
            {
                count = _bytes.TryReceive(_reader.GetReceiveSpan());
                if (count != ByteTransport.WouldBlock)
                    continue;
                _reader.ReleaseIfEmpty(); // hundreds may be ending at once
                await _bytes.WaitReadableAsync().ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            _logger.LogTrace(e, "nothing more can be received");
            _lifetime.End(reason);
        }
    }

    /// <summary>Handles packets until the buffer holds no whole one (<paramref name="more"/> false) or one needs awaiting.</summary>
    private ValueTask DispatchBuffered(out bool more)
    {
        more = false;
        if (!_version.IsComplete && !_options.IsBare)
            return ValueTask.CompletedTask;
        while (_lifetime.Reason is null)
        {
            uint sequence = _reader.Sequence;
            if (!_reader.TryRead(out var payload))
                break;
            byte number = payload.Span[0];
            switch (_gate.Check(number))
            {
                case GateVerdict.Accept:
                    break;
                case GateVerdict.Ignore:
                    continue;
                case GateVerdict.Unimplemented:
                    _messages.OnUnknown(sequence);
                    continue;
                default:
                    throw _gate.Violation(number);
            }
            if (number >= 80 && number < (byte)MessageId.Ping)
            {
                var connection = _lifetime.Connection!;
                connection.OnMessage((MessageId)number, payload);
                if (_reader.PayloadIsTransient)
                    connection.OnBatchEnd();
                continue;
            }
            var pending = _messages.OnMessage((MessageId)number, payload);
            if (!pending.IsCompletedSuccessfully)
            {
                _lifetime.Connection?.OnBatchEnd();
                more = true;
                return pending;
            }
        }
        return ValueTask.CompletedTask;
    }

    private void CountBeforeLogin(int count)
    {
        _bytesBeforeLogin += count;
        if (_bytesBeforeLogin > _options.MaxBytesBeforeLogin)
            throw new SshException(SshError.ResourceLimit, "too much data before login") { DisconnectReason = DisconnectReason.ProtocolError };
    }
}
