using System.Globalization;
using Adit.Cli.Commands;
using Adit.Server.Configuration;
using Microsoft.Extensions.Logging.Abstractions;

namespace Adit.Cli.Tests;

public sealed class SshdCommandPidFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("adit-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void It_names_the_process_and_goes_with_the_server()
    {
        var (path, file) = Write();
        Assert.Equal($"{Environment.ProcessId}\n", File.ReadAllText(path));
        file.Dispose();
        Assert.False(File.Exists(path));
    }

    // A server that was told to end waits for its last connections while its successor runs.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_successors_file_is_left_alone(bool disposedBefore)
    {
        var (path, file) = Write();
        if (disposedBefore)
        {
            file.Dispose();
        }

        var successor = string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId + 1}\n");
        File.WriteAllText(path, successor);
        file.Dispose();
        Assert.Equal(successor, File.ReadAllText(path));
    }

    private (string Path, SshdCommandPidFile File) Write()
    {
        var path = Path.Combine(_folder, "pid");
        return (path, SshdCommandPidFile.Write(SshdConfig.Parse($"PidFile {path}"), NullLogger.Instance)!);
    }
}
