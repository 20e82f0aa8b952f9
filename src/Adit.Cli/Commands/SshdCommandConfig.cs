using Adit.Server.Configuration;
using Adit.Ssh;
using Microsoft.Extensions.Logging;

namespace Adit.Cli.Commands;

/// <summary>Where <c>adit sshd</c>'s configuration comes from: the command line, then the file. It can be read again (SIGHUP).</summary>
internal sealed class SshdCommandConfig(SshdCommandLine line, ILoggerFactory loggers)
{
    // A daemon's working folder is not the one that the words were written in.
    private readonly string? _file = line.ConfigFile is { } file && !file.Equals("none", StringComparison.OrdinalIgnoreCase) ? Path.GetFullPath(file) : line.ConfigFile;
    private readonly string[] _hostKeys = [.. line.HostKeys.Select(Path.GetFullPath)];
    private readonly string[] _hostCertificates = [.. line.HostCertificates.Select(Path.GetFullPath)];
    private bool _again;

    /// <summary>Null when an option of the command line is bad, which has then been logged. Throws <see cref="SshException"/> for a bad file.</summary>
    public SshdConfig? Load()
    {
        var logger = loggers.CreateLogger("Adit.Server");
        var reader = new SshdConfigReader(logger);
        if (!AddCommandLine(reader))
        {
            return null;
        }

        // Errors name the file as it was written.
        var file = (_again ? _file : line.ConfigFile) ?? SshdCommandLine.DefaultConfigFile;
        _again = true;
        if (line.ConfigFile is null && !File.Exists(file))
        {
            logger.LogInformation("{File} does not exist: using the defaults", file);
        }
        else if (!file.Equals("none", StringComparison.OrdinalIgnoreCase))
        {
            ReadFile(reader, file);
        }

        return reader.Build();
    }

    private bool AddCommandLine(SshdConfigReader reader)
    {
        if (line.AddressFamily is { } family)
        {
            reader.AddOption($"AddressFamily {family}");
        }

        foreach (var port in line.Ports)
        {
            reader.AddPort(port);
        }

        if (line.GraceTime is { } grace)
        {
            reader.Add(SshdKeywords.LoginGraceTime, grace);
        }

        if (line.HostKeys.Count > 0)
        {
            reader.Add(SshdKeywords.HostKey, _hostKeys);
        }

        if (line.HostCertificates.Count > 0)
        {
            reader.Add(SshdKeywords.HostCertificate, _hostCertificates);
        }

        return line.Options.All(reader.AddOption);
    }

    private void ReadFile(SshdConfigReader reader, string file)
    {
        try
        {
            reader.ReadFile(file);
        }
        catch (SshException error) when (error.Error == SshError.FileAccess && line.ConfigFile is null)
        {
            throw new SshException(SshError.FileAccess, error.Message, error)
            {
                Hint = $"The standard configuration cannot be read by {Environment.UserName}. \"-f FILE\" names another one, \"-f none\" means the defaults.",
            };
        }
    }
}
