using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.Forwarding;

namespace Adit.Cli.Client;

/// <summary>Says that a local listener could not be bound, in ssh's lines.</summary>
internal static class BindReport
{
    public static void Write(LogOutput log, ForwardAddress listen, SshException error)
    {
        foreach (var line in ErrorReporter.Lines(new SshException(error.Error, error.Message)))
        {
            log.Write(OpenSshLogLevel.Error, line);
        }

        var summary = listen.IsUnix ? null : $"channel_setup_fwd_listener_tcpip: cannot listen to port: {listen.Port}";
        if (summary is not null && error.Message.StartsWith("bind ", StringComparison.Ordinal))
        {
            log.Write(OpenSshLogLevel.Error, summary);
        }

        foreach (var line in ErrorReporter.Hints(error.Hint))
        {
            log.Write(OpenSshLogLevel.Error, line);
        }
    }
}
