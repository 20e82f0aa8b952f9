using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Adit.Cli.Demo;

/// <summary>The demo's private web service: one page and its live numbers, spoken in just enough HTTP/1.1, on a loopback port of its own.</summary>
internal sealed class DemoPage : IAsyncDisposable
{
    /// <summary>Longest request head read.</summary>
    private const int MaxRequest = 16 * 1024;

    /// <summary>Visitors served at once; more wait.</summary>
    private const int MaxVisitors = 64;

    private static readonly TimeSpan RequestDeadline = TimeSpan.FromSeconds(15);

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly HashSet<Task> _visitors = [];
    private readonly DemoTraffic _traffic;
    private Task _accepting = Task.CompletedTask;

    public DemoPage(DemoTraffic traffic) => _traffic = traffic;

    public IPEndPoint Endpoint => (IPEndPoint)_listener.LocalEndpoint;

    /// <summary>A random word in the page: who sees it has seen this page and no other.</summary>
    public string Token { get; } = RandomNumberGenerator.GetHexString(16, lowercase: true);

    /// <summary>How the bytes come here, for the page to tell. Set once it is known.</summary>
    public string Path { get; set; } = "";

    public void Start()
    {
        _listener.Start();
        _accepting = AcceptAsync(_stop.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        _listener.Stop();
        await _accepting.ConfigureAwait(false);
        await Task.WhenAll(_visitors).ConfigureAwait(false);
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                var socket = await _listener.AcceptSocketAsync(stop).ConfigureAwait(false);
                _visitors.RemoveWhere(visitor => visitor.IsCompleted);
                _visitors.Add(ServeAsync(socket, stop));
                if (_visitors.Count >= MaxVisitors)
                {
                    await Task.WhenAny(_visitors).WaitAsync(stop).ConfigureAwait(false);
                }
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // A visitor that left again, or the end.
            }
        }
    }

    private async Task ServeAsync(Socket socket, CancellationToken stop)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stop);
        deadline.CancelAfter(RequestDeadline);
        try
        {
            using (socket)
            {
                var target = await ReadRequestAsync(socket, deadline.Token).ConfigureAwait(false);
                if (target is null)
                {
                    return;
                }

                var answer = Answer(target);
                for (var sent = 0; sent < answer.Length;)
                {
                    sent += await socket.SendAsync(answer.AsMemory(sent), deadline.Token).ConfigureAwait(false);
                }

                _traffic.Sent(answer.Length);
                socket.Shutdown(SocketShutdown.Send);
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The visitor went away.
        }
    }

    /// <summary>Reads up to the empty line and returns the request's target; null when that never comes.</summary>
    private async Task<string?> ReadRequestAsync(Socket socket, CancellationToken cancellationToken)
    {
        var buffer = new byte[MaxRequest];
        var length = 0;
        while (length < buffer.Length)
        {
            var count = await socket.ReceiveAsync(buffer.AsMemory(length), cancellationToken).ConfigureAwait(false);
            if (count == 0)
            {
                return null;
            }

            _traffic.Received(count);
            length += count;
            if (buffer.AsSpan(0, length).IndexOf("\r\n\r\n"u8) >= 0)
            {
                var line = Encoding.ASCII.GetString(buffer.AsSpan(0, buffer.AsSpan().IndexOf((byte)'\r')));
                return line.Split(' ') is ["GET", var target, ..] ? target : "";
            }
        }

        return null;
    }

    private byte[] Answer(string target) => target switch
    {
        "/" => Response("200 OK", "text/html; charset=utf-8", Html()),
        "/traffic" => Response("200 OK", "text/plain; charset=utf-8", _traffic.Summary),
        _ => Response("404 Not Found", "text/plain; charset=utf-8", "There is one page here: /\n"),
    };

    private static byte[] Response(string status, string type, string body)
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        var head = string.Create(CultureInfo.InvariantCulture,
            $"HTTP/1.1 {status}\r\nContent-Type: {type}\r\nContent-Length: {bytes.Length}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n");
        return [.. Encoding.ASCII.GetBytes(head), .. bytes];
    }

    private string Html() =>
        $$"""
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <title>Adit: you came through the tunnel</title>
        <style>
          body { font: 17px/1.55 system-ui, sans-serif; max-width: 42rem; margin: 4rem auto; padding: 0 1.2rem; color: #1d2328; background: #f7f5f0 }
          h1 { font-size: 1.7rem; margin-bottom: .2rem }
          pre { background: #1d2328; color: #e8e3d6; padding: 1rem 1.2rem; border-radius: .5rem; overflow-x: auto; line-height: 1.35 }
          b.n { font-variant-numeric: tabular-nums }
          small { color: #6b6f73 }
        </style>
        <h1>You came through the tunnel.</h1>
        <p>This page listens on <code>{{Endpoint}}</code>, an address that an SSH server reached for you. Your browser spoke to the other end of an encrypted connection:</p>
        <pre>{{WebUtility.HtmlEncode(Path)}}</pre>
        <p>So far: <b class="n" id="traffic">{{WebUtility.HtmlEncode(_traffic.Summary)}}</b></p>
        <p><small>page {{Token}}; it lives until the demo ends.</small></p>
        <script>
          setInterval(async () => {
            try { document.getElementById('traffic').textContent = await (await fetch('/traffic', { cache: 'no-store' })).text() }
            catch { document.getElementById('traffic').textContent = 'the demo has ended' }
          }, 2000)
        </script>
        </html>

        """;
}
