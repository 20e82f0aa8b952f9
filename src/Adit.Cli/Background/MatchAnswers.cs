using System.Security.Cryptography;
using System.Text;

namespace Adit.Cli.Background;

/// <summary>What the commands of Match exec said. A process that goes into the background reads the configuration once more (<see cref="BackgroundLauncher"/>), and gets the
/// answers handed over, so that each command runs once: it may count, ask or wait.</summary>
internal static class MatchAnswers
{
    /// <summary>Carries them; read only where the process was really started to go into the background.</summary>
    internal const string Variable = BackgroundLauncher.Variable + "_MATCHES";

    private static readonly List<(string Command, bool Holds)> Known = [];
    private static readonly List<(string Command, bool Holds)> HandedOver = [];

    /// <summary>The variable for the process that is started now.</summary>
    public static byte[] Mark => Encoding.ASCII.GetBytes($"{Variable}={string.Join(',', Known.Select(answer => answer.Command + (answer.Holds ? '1' : '0')))}");

    /// <summary>Takes what was handed over.</summary>
    public static void Adopt(string? answers)
    {
        foreach (var answer in (answers ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            HandedOver.Add((answer[..^1], answer[^1] == '1'));
        }
    }

    /// <summary>What a command says: what was handed over for it, each answer once, or what <paramref name="run"/> finds.</summary>
    public static bool Of(string command, Func<string, bool> run)
    {
        var key = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(command)));
        var at = HandedOver.FindIndex(answer => answer.Command == key);
        var holds = at >= 0 ? HandedOver[at].Holds : run(command);
        if (at >= 0)
        {
            HandedOver.RemoveAt(at);
        }

        Known.Add((key, holds));
        return holds;
    }
}
