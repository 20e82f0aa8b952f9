using System.Globalization;

namespace Adit.Cli.Demo;

/// <summary>What went through the demo's tunnel: connections as the server opened them, bytes as the page saw them.</summary>
internal sealed class DemoTraffic
{
    private long _connections;
    private long _toPage;
    private long _fromPage;

    /// <summary>Runs after every change.</summary>
    public Action? Changed { get; set; }

    public long Connections => Interlocked.Read(ref _connections);

    public string Summary => string.Create(CultureInfo.InvariantCulture,
        $"{Connections} {(Connections == 1 ? "connection" : "connections")}, {Size(Interlocked.Read(ref _toPage))} to the page, {Size(Interlocked.Read(ref _fromPage))} back");

    public void Opened()
    {
        Interlocked.Increment(ref _connections);
        Changed?.Invoke();
    }

    public void Received(int bytes)
    {
        Interlocked.Add(ref _toPage, bytes);
        Changed?.Invoke();
    }

    public void Sent(int bytes)
    {
        Interlocked.Add(ref _fromPage, bytes);
        Changed?.Invoke();
    }

    internal static string Size(long bytes) => bytes switch
    {
        < 1000 => string.Create(CultureInfo.InvariantCulture, $"{bytes} B"),
        < 1000 * 1000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e3:0.0} kB"),
        < 1000L * 1000 * 1000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0.0} MB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:0.00} GB"),
    };
}
