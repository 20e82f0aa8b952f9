namespace Adit.Ssh.Tests;

/// <summary>For tests that measure the whole process (memory, ports): they run when no other test does.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}
