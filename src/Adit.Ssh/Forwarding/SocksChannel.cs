using Adit.Ssh.Connection;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Forwarding;

/// <summary>A channel whose data begins with a SOCKS client's request: reverse dynamic forwarding, where the peer listens. The conversation is held over the channel;
/// what the client sends on meanwhile waits here, within the channel's window, and goes to the socket once that is there.</summary>
/// <param name="gone">Cancelled when the peer has closed the channel or the connection is over: nobody waits for an answer then. It has no timer, so nobody
/// need dispose of it, and the channel may end long after its conversation.</param>
internal sealed class SocksChannel(CancellationTokenSource gone) : IChannelSink
{
    private readonly Lock _lock = new();
    private readonly AsyncSignal _news = new();
    private volatile ForwardConnection? _carried;
    private SshChannel? _channel;
    private Backlog _received;
    private bool _refusing;
    private bool _eof;
    private bool _closed;
    private SshException? _reason;

    private SshChannel Channel => _channel ?? throw new InvalidOperationException("the channel is not open");

    void IChannelSink.OnOpened(SshChannel channel) => _channel = channel;

    void IChannelSink.OnData(ReadOnlyMemory<byte> data)
    {
        if (_carried is null)
        {
            lock (_lock)
            {
                if (_carried is null && !_refusing)
                {
                    _received.Append(data.Span);
                    return;
                }
            }
        }
        if (_carried is { } carried)
            carried.OnData(data);
        else
            Channel.Credit(data.Length); // it has had its answer
    }

    void IChannelSink.OnBatchEnd()
    {
        if (_carried is { } carried)
            carried.OnBatchEnd();
        else
            _news.Set();
    }

    void IChannelSink.OnEof()
    {
        lock (_lock)
        {
            _eof = true;
            if (_carried is null)
            {
                _news.Set();
                return;
            }
        }
        _carried.OnEof();
    }

    void IChannelSink.OnClosed(SshException? reason)
    {
        lock (_lock)
        {
            _closed = true;
            _reason ??= reason;
            if (_carried is null)
            {
                _news.Set();
                _ = gone.CancelAsync(); // what it cancels does not run on the receive loop
                return;
            }
        }
        _carried.OnClosed(reason);
    }

    /// <summary>Reads the request. Null when there is none to answer: then the client has been told where there is something to tell, and the channel is closed.</summary>
    /// <param name="cancellationToken">The time a client may take.</param>
    public async Task<SocksRequest?> ReadAsync(CancellationToken cancellationToken)
    {
        var parser = new SocksParser();
        using var registration = cancellationToken.UnsafeRegister(static signal => ((AsyncSignal)signal!).Set(), _news);
        while (!cancellationToken.IsCancellationRequested)
        {
            var (progress, isOver) = Feed(parser);
            if (progress == SocksProgress.Requested)
                return parser.Request;
            if (progress == SocksProgress.Refused)
            {
                await RefuseAsync(parser.Response, cancellationToken).ConfigureAwait(false);
                return null;
            }
            bool goesOn = progress switch
            {
                SocksProgress.Greeted => await Channel.SendAsync(parser.Response, cancellationToken).ConfigureAwait(false),
                SocksProgress.Incomplete => !isOver,
                _ => false,
            };
            if (!goesOn)
                break;
            if (progress == SocksProgress.Incomplete)
                await _news.WaitAsync().ConfigureAwait(false);
        }
        Close();
        return null;
    }

    /// <summary>The client's request is granted: from here on the channel is <paramref name="connection"/>'s, beginning with what waits here.</summary>
    public void Carry(ForwardConnection connection)
    {
        lock (_lock)
        {
            connection.OnOpened(Channel);
            while (!_received.IsEmpty)
            {
                var next = _received.First;
                connection.OnData(next);
                connection.OnBatchEnd(); // sent or copied: the memory is free again
                _received.Consume(next.Length);
            }
            if (_closed)
                connection.OnClosed(_reason);
            else if (_eof)
                connection.OnEof();
            _carried = connection;
        }
    }

    /// <summary>Answers, lets the client read it and hang up, and closes. What it still sends is dropped: whoever stands at the other end would reset its
    /// connection if bytes were left unread there, and the answer might go with it.</summary>
    /// <param name="answer">The last words.</param>
    /// <param name="cancellationToken">How long the client has.</param>
    public async Task RefuseAsync(ReadOnlyMemory<byte> answer, CancellationToken cancellationToken)
    {
        int dropped;
        lock (_lock)
        {
            _refusing = true;
            dropped = _received.Clear();
        }
        Channel.Credit(dropped);
        if (await Channel.SendAsync(answer, cancellationToken).ConfigureAwait(false))
        {
            Channel.SendEof();
            using var registration = cancellationToken.UnsafeRegister(static signal => ((AsyncSignal)signal!).Set(), _news);
            while (!cancellationToken.IsCancellationRequested && !IsOver())
                await _news.WaitAsync().ConfigureAwait(false);
        }
        Close();
    }

    /// <summary>Ends it without an answer.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _refusing = true;
            _received.Clear();
        }
        Channel.Close();
    }

    private (SocksProgress Progress, bool IsOver) Feed(SocksParser parser)
    {
        var progress = SocksProgress.Incomplete;
        int consumed = 0;
        bool isOver;
        lock (_lock)
        {
            while (progress == SocksProgress.Incomplete && !_received.IsEmpty)
            {
                progress = parser.Feed(_received.First.Span, out int count);
                _received.Consume(count);
                consumed += count;
            }
            isOver = _eof || _closed;
        }
        Channel.Credit(consumed);
        return (progress, isOver);
    }

    private bool IsOver()
    {
        lock (_lock)
            return _eof || _closed;
    }
}
