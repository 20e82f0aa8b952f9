using Microsoft.Extensions.Logging;

namespace Adit.Server.Tests.Support;

/// <summary>Keeps what is logged.</summary>
internal sealed class CapturingLogger : ILogger, ILoggerFactory
{
    private readonly List<(LogLevel Level, string Text)> _lines = [];

    public IReadOnlyList<string> Lines => At(LogLevel.Trace);

    public IReadOnlyList<string> Errors => At(LogLevel.Error);

    /// <summary>Lines that are this severe or more.</summary>
    public IReadOnlyList<string> At(LogLevel least)
    {
        lock (_lines)
        {
            return [.. _lines.Where(line => line.Level >= least).Select(line => line.Text)];
        }
    }

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public void Dispose()
    {
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (_lines)
        {
            _lines.Add((logLevel, formatter(state, exception)));
        }
    }
}
