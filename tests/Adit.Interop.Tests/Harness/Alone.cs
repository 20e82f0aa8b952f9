namespace Adit.Interop.Tests.Harness;

/// <summary>Tests that look at, or change, what the whole machine shares: they run when no other does.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public static class Alone
{
    public const string Name = "alone";
}
