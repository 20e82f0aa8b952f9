using System.Diagnostics;
using Adit.Cli.Background;
using Adit.Cli.CommandLine;
using Adit.Cli.Commands;
using Adit.Cli.Diagnostics;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Client;

/// <summary>Joins a command line with the configuration files: the command line's values win, then the user's file's, then the system's.</summary>
internal static class ClientConfig
{
    /// <summary>Throws <see cref="Adit.Ssh.SshException"/> with the line that ssh prints.</summary>
    public static SshConfigValues Resolve(SshArguments arguments, LogOutput log)
    {
        var values = SshConfig.Resolve(
            arguments.Host,
            arguments.ConfigLines,
            arguments.ConfigFile is { } file ? SshConfigFiles.Only(file) : SshConfigFiles.Default,
            new SshConfigContext
            {
                Command = arguments.Command ?? "",
                SessionTypeName = arguments.NoSession ? "none" : arguments.Command is null ? "shell" : "exec",
                Version = Overview.SshVersionLine,
                Execute = command => MatchAnswers.Of(command, Execute),
                Logger = new OpenSshLoggerProvider(log).CreateLogger(nameof(SshConfig)),
            });
        if (arguments.Command is not null && values.RemoteCommandLine is not null)
        {
            throw new UsageException("Cannot execute command-line and remote command.");
        }

        // Only a session needs a command: there is none to be left behind in the background by itself.
        if (arguments.Command is null && values.Get(SshConfigKeywords.ForkAfterAuthentication)
            && values.RemoteCommandLine is null && values.Get(SshConfigKeywords.SessionType) != SessionType.None)
        {
            throw new UsageException("Cannot fork into background without a command to execute.");
        }

        if (arguments.StandardIo is not null)
        {
            values.SetDefault(SshConfigKeywords.ExitOnForwardFailure, true);
            values.SetDefault(SshConfigKeywords.ClearAllForwardings, true);
        }

        return values;
    }

    /// <summary>LogLevel, which -v and -q set; everything where a pattern of LogVerbose is about any place of the program.</summary>
    public static OpenSshLogLevel LogLevel(SshConfigValues config) =>
        config.Get(SshConfigKeywords.LogVerbose).Any(pattern => PatternList.Matches("adit.c:log():1", pattern))
            ? OpenSshLogLevel.Debug3
            : (OpenSshLogLevel)config.Get(SshConfigKeywords.LogLevel);

    /// <summary>Match exec: a command of the configuration file, for the user's shell. Standard input is not for it, and what it prints is not for anybody.</summary>
    private static bool Execute(string command)
    {
        var shell = Environment.GetEnvironmentVariable("SHELL") is { Length: > 0 } set ? set : "/bin/sh";
        var start = new ProcessStartInfo(shell) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(command);
        try
        {
            using var process = Process.Start(start)!;
            process.StandardInput.Close();
            process.StandardOutput.BaseStream.CopyTo(Stream.Null);
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false; // no such shell: nothing it could say holds
        }
    }
}
