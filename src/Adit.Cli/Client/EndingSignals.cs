using System.Globalization;
using System.Runtime.InteropServices;

namespace Adit.Cli.Client;

/// <summary>Turns the first SIGINT, SIGTERM or SIGHUP into an orderly end; a second one takes its usual course. A signal that was ignored when the process
/// started (nohup) stays ignored.</summary>
internal sealed class EndingSignals : IDisposable
{
    private readonly TaskCompletionSource<PosixSignal> _received = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<PosixSignalRegistration> _registrations = [];

    /// <param name="more">Others that end it likewise.</param>
    public EndingSignals(params ReadOnlySpan<PosixSignal> more)
    {
        var ignored = IgnoredAtStart();
        foreach (var signal in (ReadOnlySpan<PosixSignal>)[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP, .. more])
        {
            if ((ignored & (1UL << (Number(signal) - 1))) == 0)
            {
                _registrations.Add(PosixSignalRegistration.Create(signal, Take));
            }
        }
    }

    /// <summary>Completes with the first signal.</summary>
    public Task<PosixSignal> Received => _received.Task;

    /// <summary>The number that kill(1) and OpenSSH's messages use.</summary>
    public static int Number(PosixSignal signal) => signal switch
    {
        PosixSignal.SIGHUP => 1,
        PosixSignal.SIGINT => 2,
        PosixSignal.SIGQUIT => 3,
        PosixSignal.SIGTERM => 15,
        _ => (int)signal,
    };

    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }
    }

    private void Take(PosixSignalContext context) => context.Cancel = _received.TrySetResult(context.Signal);

    /// <summary>The process's mask of ignored signals, where the system tells.</summary>
    private static ulong IgnoredAtStart()
    {
        try
        {
            const string Label = "SigIgn:";
            var line = OperatingSystem.IsLinux()
                ? File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith(Label, StringComparison.Ordinal))
                : null;
            return line is not null && ulong.TryParse(line.AsSpan(Label.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var mask) ? mask : 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
