using Adit.Cli.CommandLine;
using Adit.Ssh.Wire;

namespace Adit.Cli.Demo;

/// <summary>What <c>adit demo</c> was asked for.</summary>
/// <param name="Once">Leave as soon as the page came through.</param>
/// <param name="Port">The tunnel's port; null for one that is free.</param>
/// <param name="Help">Only tell what the demo is.</param>
internal sealed record DemoOptions(bool Once, int? Port, bool Help)
{
    public static DemoOptions Parse(string[] arguments)
    {
        var options = new DemoOptions(false, null, false);
        for (var i = 0; i < arguments.Length; i++)
        {
            options = arguments[i] switch
            {
                "--once" => options with { Once = true },
                "--help" or "-h" => options with { Help = true },
                "--port" or "-p" when i + 1 < arguments.Length => options with { Port = ParsePort(arguments[++i]) },
                "--port" or "-p" => throw new UsageException("adit demo: --port needs a number"),
                var word when word.StartsWith("--port=", StringComparison.Ordinal) => options with { Port = ParsePort(word["--port=".Length..]) },
                var word => throw new UsageException($"adit demo: unknown argument: {PeerText.Escape(word)}"),
            };
        }

        return options;
    }

    private static int ParsePort(string text) =>
        Destination.ParsePort(text) ?? throw new UsageException($"adit demo: '{PeerText.Escape(text)}' is not a port (1 to 65535)");
}
