namespace Adit.Interop.Tests.Harness;

/// <summary>Ends a test as skipped. xunit 2.9 knows such an exception by how its message starts.</summary>
internal sealed class SkipException(string reason) : Exception("$XunitDynamicSkip$" + reason);

/// <summary>What a test needs from the machine; where it is missing the test is skipped, not failed.</summary>
internal static class Need
{
    public static void That(bool condition, string what)
    {
        if (!condition)
        {
            throw new SkipException("needs " + what);
        }
    }

    public static void Root() => That(Machine.IsRoot, "root");

    public static void Tools(params string[] names)
    {
        foreach (string name in names)
        {
            That(Machine.FindTool(name) is not null, name);
        }
    }
}
