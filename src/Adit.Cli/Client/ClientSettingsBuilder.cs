using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Ssh;

namespace Adit.Cli.Client;

/// <summary>Joins the command line with the configuration files.</summary>
internal static class ClientSettingsBuilder
{
    public static ClientSettings Build(SshArguments arguments, LogOutput log)
    {
        var options = new SshClientOptions
        {
            Host = arguments.Host,
            Port = arguments.Port ?? 22,
            UserName = arguments.User ?? Environment.UserName,
            LoggerFactory = new OpenSshLoggerProvider(log),
        };
        return new ClientSettings
        {
            Options = options,
            Host = arguments.Host,
            WantsSession = !arguments.NoSession,
            LocalForwards = arguments.LocalForwards,
        };
    }
}
