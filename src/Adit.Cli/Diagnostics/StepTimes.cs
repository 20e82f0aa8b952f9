using System.Diagnostics;
using System.Globalization;

namespace Adit.Cli.Diagnostics;

/// <summary>With -v: how long each step of a connection took, on a line of our own behind the line that ends the step. OpenSSH's lines stay as they are.</summary>
internal sealed class StepTimes
{
    private static readonly (string Line, string Step)[] Steps =
    [
        ("Connecting to ", "name looked up"),
        ("Connection established.", "connected"),
        ("Remote protocol version ", "server answered"),
        ("Server host key: ", "keys agreed on"),
        ("Server host certificate: ", "keys agreed on"),
        ("SSH2_MSG_NEWKEYS received", "host key checked, encryption on"),
        ("Authentications that can continue: ", "server said how to log in"),
        ("Server accepts key: ", "server would take the key"),
        ("Authenticated to ", "logged in"),
        ("Local forwarding listening on ", "listening"),
        ("remote forward success for: ", "server listens"),
    ];

    private readonly long _start = Stopwatch.GetTimestamp();
    private long _last = Stopwatch.GetTimestamp();

    /// <summary>What to write after a line; null where it ends no step.</summary>
    public string? After(string line)
    {
        foreach (var (prefix, step) in Steps)
        {
            if (!line.StartsWith(prefix, StringComparison.Ordinal))
            {
                continue;
            }

            var now = Stopwatch.GetTimestamp();
            var text = string.Create(
                CultureInfo.InvariantCulture,
                $"adit: {step} after {Stopwatch.GetElapsedTime(_start, now).TotalMilliseconds:0.0} ms (+{Stopwatch.GetElapsedTime(_last, now).TotalMilliseconds:0.0})");
            _last = now;
            return text;
        }

        return null;
    }
}
