namespace Adit.Ssh.Tests;

/// <summary>How often long runs go round: a little in every run, all the way under <c>./test --soak</c>.</summary>
internal static class Soak
{
    public static bool IsOn { get; } = Environment.GetEnvironmentVariable("ADIT_SOAK") == "1";

    public static int Rounds(int usual, int soak) => IsOn ? soak : usual;
}
