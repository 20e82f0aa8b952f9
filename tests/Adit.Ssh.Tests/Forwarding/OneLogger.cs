using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>Everything goes to one logger.</summary>
internal sealed class OneLogger(ILogger logger) : ILoggerFactory
{
    public ILogger CreateLogger(string categoryName) => logger;

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public void Dispose()
    {
    }
}
