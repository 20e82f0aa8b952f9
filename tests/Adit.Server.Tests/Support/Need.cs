namespace Adit.Server.Tests.Support;

/// <summary>Skips a test, and says what the machine lacks.</summary>
internal static class Need
{
    /// <summary>xunit 2.9 takes an exception with this beginning as a skip.</summary>
    private sealed class SkipException(string reason) : Exception("$XunitDynamicSkip$" + reason);

    public static void That(bool condition, string what)
    {
        if (!condition)
        {
            throw new SkipException("needs " + what);
        }
    }

    public static string Program(params string[] places)
    {
        var found = places.FirstOrDefault(File.Exists);
        That(found is not null, places[0]);
        return found!;
    }

    public static void Root() => That(Environment.UserName == "root", "to run as root");
}
