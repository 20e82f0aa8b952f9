using System.Net.Sockets;
using Adit.Ssh.Connection;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>One connection from the server to the display. Nothing reaches the X server before the first bytes have shown the cookie that was handed out, and that is the last
/// that is looked at. They have to come within <see cref="Patience"/>: until then one of the X server's places is taken for nothing.</summary>
/// <param name="socket">Connected to the X server; taken over.</param>
/// <param name="setup">Judges the first bytes.</param>
/// <param name="isExpired">Whether the time for new connections has passed meanwhile.</param>
/// <param name="judged">Called once, from any thread: it was accepted or rejected, or ended before that.</param>
/// <param name="logger">For a refusal.</param>
/// <param name="time">For the deadline.</param>
internal sealed class X11Connection(Socket socket, X11Setup setup, Func<bool> isExpired, Action judged, ILogger logger, TimeProvider time) : IChannelSink
{
    /// <summary>A program begins with them, so what takes longer is the way.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly ForwardConnection _carried = new(socket);
    private SshChannel? _channel;
    private ITimer? _deadline;
    private int _isJudged;
    private volatile bool _isRejected;
    private volatile bool _isLate;
    private volatile bool _isSilent;
    private bool _isAccepted;

    public void OnOpened(SshChannel channel)
    {
        _channel = channel;
        _carried.OnOpened(channel);
        _deadline = time.CreateTimer(static connection => ((X11Connection)connection!).OnDeadline(), this, Patience, Timeout.InfiniteTimeSpan);
    }

    public void OnData(ReadOnlyMemory<byte> data)
    {
        if (!_isAccepted && !_isRejected)
            data = Judge(data);
        if (!_isAccepted)
            _channel!.Credit(data.Length);
        else if (!data.IsEmpty)
            _carried.OnData(data);
    }

    public void OnBatchEnd() => _carried.OnBatchEnd();

    /// <summary>X11 knows no half-closed connections: with one direction over, and delivered, the other is too.</summary>
    public void OnEof() => _carried.OnClosed(null);

    public void OnClosed(SshException? reason) => _carried.OnClosed(reason);

    /// <summary>Carries it to its end. Does not throw.</summary>
    public async Task RunAsync()
    {
        await _carried.RunAsync().ConfigureAwait(false);
        // Its call may run still, and finds this judged.
        _deadline?.Dispose();
        TryJudge();
        if (_isSilent)
            logger.LogInformation("X11 connection rejected because it showed no authentication within {Seconds:0} s.", Patience.TotalSeconds);
        else if (_isLate)
            X11Forwards.TellExpired(logger);
        else if (_isRejected)
            logger.LogInformation("X11 connection rejected because of wrong authentication.");
    }

    /// <summary>The channel could not be opened.</summary>
    public void Abandon()
    {
        _carried.Abandon();
        TryJudge();
    }

    /// <summary>False where somebody else has.</summary>
    private bool TryJudge()
    {
        if (Interlocked.Exchange(ref _isJudged, 1) != 0)
            return false;
        judged();
        return true;
    }

    private void OnDeadline()
    {
        if (!TryJudge())
            return;
        _isSilent = true;
        _isRejected = true;
        _carried.Abort();
    }

    /// <summary>Takes the setup out of what came; what is returned follows it. What was taken is credited as the setup that replaces it is delivered: it is as long.</summary>
    private ReadOnlyMemory<byte> Judge(ReadOnlyMemory<byte> data)
    {
        var progress = setup.Feed(data.Span, out int taken);
        if (progress == X11Progress.Incomplete || !TryJudge())
            return data[taken..];
        _isLate = progress == X11Progress.Accepted && isExpired();
        _isRejected = progress == X11Progress.Rejected || _isLate;
        _isAccepted = progress == X11Progress.Accepted && !_isLate;
        if (_isAccepted)
            _carried.OnData(setup.Setup);
        else if (_isRejected)
            _carried.Abort();
        return data[taken..];
    }
}
