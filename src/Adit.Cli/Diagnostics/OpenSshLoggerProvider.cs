using Adit.Ssh;
using Microsoft.Extensions.Logging;

namespace Adit.Cli.Diagnostics;

/// <summary>Shows the library's log as OpenSSH shows its own. Levels: Critical and Error are errors, Warning and Information are INFO lines, Debug is debug1,
/// Trace is debug2. Categories are not shown.</summary>
internal sealed class OpenSshLoggerProvider(LogOutput output) : ILoggerProvider, ILoggerFactory
{
    public ILogger CreateLogger(string categoryName) => new Logger(output);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("There is one output.");

    public void Dispose()
    {
        // The output belongs to whoever made it.
    }

    private sealed class Logger(LogOutput output) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None && output.Shows(Map(logLevel));

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            // What OpenSSH shows from -v on has no level of its own here, so it is told by its event.
            var level = eventId == LogEvents.Authenticated || eventId == LogEvents.Session || eventId == LogEvents.HostKeysUpdated || eventId == LogEvents.Connection
                || eventId == LogEvents.DisplayExpired
                ? OpenSshLogLevel.Verbose
                : Map(logLevel);
            if (logLevel == LogLevel.None || !output.Shows(level))
            {
                return;
            }

            output.Write(level, formatter(state, exception));
            if (exception is not null && output.Shows(OpenSshLogLevel.Debug2))
            {
                output.Write(OpenSshLogLevel.Debug2, exception.ToString());
            }
        }

        private static OpenSshLogLevel Map(LogLevel level) => level switch
        {
            LogLevel.Trace => OpenSshLogLevel.Debug2,
            LogLevel.Debug => OpenSshLogLevel.Debug1,
            LogLevel.Information or LogLevel.Warning => OpenSshLogLevel.Info,
            _ => OpenSshLogLevel.Error,
        };
    }
}
