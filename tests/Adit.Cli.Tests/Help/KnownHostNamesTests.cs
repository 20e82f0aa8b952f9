using Adit.Cli.Completion;

namespace Adit.Cli.Tests.Help;

public sealed class KnownHostNamesTests : IDisposable
{
    private readonly string _home = Directory.CreateTempSubdirectory("adit-").FullName;

    public KnownHostNamesTests() => Directory.CreateDirectory(Path.Combine(_home, ".ssh", "more"));

    public void Dispose() => Directory.Delete(_home, recursive: true);

    [Fact]
    public void HostsOfTheConfigurationAndWhatItIncludes()
    {
        Write(".ssh/config", "Include more/* ~/elsewhere\nHost one \"two\" *.pattern !not # comment\n  HostName ignored\nHost=three\n");
        Write(".ssh/more/a", "Host four\nInclude more/b\n");
        Write(".ssh/more/b", "Host five\nInclude more/a\n"); // in a circle
        Write("elsewhere", "Host six\n");
        Assert.Equal(["five", "four", "one", "six", "three", "two"], Find());
    }

    [Fact]
    public void ThoseOfKnownHostsThatCanBeRead()
    {
        Write(".ssh/known_hosts", "one,192.0.2.7 ssh-ed25519 AAAA\n[two]:2222 ssh-ed25519 AAAA\n[2001:db8::1]:22 ssh-ed25519 AAAA\n|1|c2FsdA==|aGFzaA== ssh-ed25519 AAAA\n# three ssh\n"
            + "@revoked four ssh-ed25519 AAAA\n@cert-authority *.five,six ssh-ed25519 AAAA\n\n-bad ssh-ed25519 AAAA\n$(bad) ssh-ed25519 AAAA\n");
        Assert.Equal(["192.0.2.7", "2001:db8::1", "one", "six", "two"], Find());
    }

    [Fact]
    public void AnotherFileStandsForBoth()
    {
        Write(".ssh/config", "Host one\n");
        Write("other", "Host two\n");
        Assert.Equal(["two"], Find(Path.Combine(_home, "other")));
        Assert.Empty(Find("none"));
    }

    [Fact]
    public void WhatIsNotThereProposesNothing() => Assert.Empty(Find());

    private IReadOnlyCollection<string> Find(string? config = null) => KnownHostNames.Find(_home, Path.Combine(_home, "etc"), config);

    private void Write(string name, string text) => File.WriteAllText(Path.Combine(_home, name), text);
}
