using System.Security.Cryptography;
using Adit.Ssh;

namespace Adit.Cli.Sessions;

/// <summary>ObscureKeystrokeTiming: when keys are pressed says something about which they are. While somebody types, what was typed leaves at even intervals only, and where
/// nothing was typed in one, a message that means nothing (ping@openssh.com) leaves in its place, until a second or three after the last key. Between times nothing runs.</summary>
internal sealed class KeystrokePacer(TimeSpan interval, Action sendChaff, TimeProvider time) : IAsyncDisposable
{
    /// <summary>More at once is no typing: it leaves as it comes.</summary>
    private const int MostTyped = 256;

    private static readonly TimeSpan ShortestChaff = TimeSpan.FromMilliseconds(1024);
    private static readonly TimeSpan MoreChaff = TimeSpan.FromMilliseconds(2048);

    private readonly CancellationTokenSource _ending = new();
    private readonly Lock _lock = new();
    private TaskCompletionSource? _typed;
    private Task _running = Task.CompletedTask;
    private bool _isRunning;
    private long _lastTyped;
    private TimeSpan _chaff;

    /// <summary>Null where the configuration says no, or the server does not know the message.</summary>
    /// <exception cref="SshException"><see cref="SshError.Configuration"/>: the value is none.</exception>
    public static KeystrokePacer? Create(string? value, SshClient client) => Create(Parse(value ?? "yes"), client);

    /// <summary>The same for a value that was read.</summary>
    public static KeystrokePacer? Create(TimeSpan? value, SshClient client) =>
        value is { } interval && client.KnowsPing ? new KeystrokePacer(interval, client.SendPing, TimeProvider.System) : null;

    /// <summary>"yes", "no" or "interval:MILLISECONDS". Null for no.</summary>
    /// <exception cref="SshException"><see cref="SshError.Configuration"/>: it is none of these.</exception>
    public static TimeSpan? Parse(string value)
    {
        const string Prefix = "interval:";
        return value.ToUpperInvariant() switch
        {
            "YES" or "TRUE" => TimeSpan.FromMilliseconds(20),
            "NO" or "FALSE" => null,
            _ when value.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) && int.TryParse(value.AsSpan(Prefix.Length), out var milliseconds) && milliseconds is >= 1 and <= 1000 =>
                TimeSpan.FromMilliseconds(milliseconds),
            _ => throw new SshException(SshError.Configuration, $"Invalid ObscureKeystrokeTiming \"{value}\"") { Hint = "It is yes, no or interval:MILLISECONDS, up to 1000." },
        };
    }

    /// <summary>Completes when so many bytes that came at once may be sent. One caller at a time.</summary>
    public async ValueTask WaitAsync(int length, CancellationToken cancellationToken)
    {
        if (length >= MostTyped)
        {
            return;
        }

        Task turn;
        lock (_lock)
        {
            _lastTyped = time.GetTimestamp();
            _chaff = ShortestChaff + (MoreChaff * Chance());
            _typed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            turn = _typed.Task;
            if (!_isRunning)
            {
                _isRunning = true;
                _running = RunAsync();
            }
        }

        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        _ending.Dispose();
    }

    private static double Chance() => RandomNumberGenerator.GetInt32(1 << 20) / (double)(1 << 20);

    private async Task RunAsync()
    {
        // Each burst has a pace of its own, and each interval differs a little: by a tenth, as ssh's.
        var pace = interval * (0.9 + (Chance() / 10));
        try
        {
            while (true)
            {
                await Task.Delay(pace + (interval * (Chance() / 10)), time, _ending.Token).ConfigureAwait(false);
                TaskCompletionSource? typed;
                lock (_lock)
                {
                    (typed, _typed) = (_typed, null);
                    if (typed is null && time.GetElapsedTime(_lastTyped) >= _chaff)
                    {
                        _isRunning = false;
                        return;
                    }
                }

                if (typed is null)
                {
                    sendChaff();
                }
                else
                {
                    typed.TrySetResult();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The session is over; whoever waits is told by its own token.
        }
    }
}
