using System.Collections.Concurrent;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Matrix;

/// <summary>The algorithms that two programs share: asked of the programs where they can say, written down where they cannot.</summary>
internal static class AlgorithmRows
{
    private static readonly string[] Kinds = ["cipher", "kex", "mac", "host key"];
    private static readonly ConcurrentDictionary<(Peer, string), IReadOnlyList<string>> Known = new();

    private static readonly string[] AllHostKeys =
        ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-256", "rsa-sha2-512"];

    /// <summary>A row of defaults and one for each algorithm that <paramref name="peer"/> and ours both have.</summary>
    public static TheoryData<string, string> With(Peer peer)
    {
        var rows = new TheoryData<string, string> { { "default", "" } };
        foreach (string kind in Kinds)
        {
            foreach (string name in Of(Peer.Adit, kind).Intersect(Of(peer, kind)))
            {
                rows.Add(kind, name);
            }
        }

        return rows;
    }

    public static IReadOnlyList<string> Of(Peer peer, string kind) => Known.GetOrAdd((peer, kind), _ => (peer, kind) switch
    {
        (Peer.Adit or Peer.OpenSsh, "host key") => [.. AllHostKeys.Intersect(Ask(peer, "HostKeyAlgorithms"))],
        (Peer.Adit or Peer.OpenSsh, _) => Ask(peer, kind),
        (Peer.AsyncSsh, "host key") => AllHostKeys,
        (Peer.AsyncSsh, _) => AskAsyncSsh(kind),
        (_, "host key") when peer == Peer.Dropbear => [.. AllHostKeys.Where(name => name != "rsa-sha2-512")],
        (_, "host key") => AllHostKeys,

        // dropbear and dbclient 2022.83
        (Peer.Dropbear, "cipher") => ["chacha20-poly1305@openssh.com", "aes128-ctr", "aes256-ctr"],
        (Peer.Dropbear, "mac") => ["hmac-sha1", "hmac-sha2-256"],
        (Peer.Dropbear, "kex") =>
        [
            "curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
            "diffie-hellman-group14-sha256",
        ],

        // plink 0.78
        (Peer.Plink, "cipher") =>
        [
            "aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr",
        ],
        (Peer.Plink, "mac") => ["hmac-sha1", "hmac-sha1-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-256-etm@openssh.com"],
        (Peer.Plink, "kex") =>
        [
            "curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
            "diffie-hellman-group-exchange-sha256", "diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512",
            "diffie-hellman-group18-sha512",
        ],
        _ => throw new ArgumentOutOfRangeException(nameof(peer), peer, kind),
    });

    private static IReadOnlyList<string> Ask(Peer peer, string what)
    {
        if (peer == Peer.OpenSsh && Machine.FindTool("ssh") is null || !File.Exists(peer == Peer.Adit ? Machine.Adit : "/"))
        {
            return []; // the tests of that program say so themselves
        }

        IReadOnlyList<string> program = Clients.Program(peer);
        return Lines(ManagedProcess.RunAsync("-Q", program[0], [.. program.Skip(1), "-Q", what], TimeSpan.FromSeconds(30)).GetAwaiter().GetResult());
    }

    private static IReadOnlyList<string> AskAsyncSsh(string kind)
    {
        try
        {
            string[] arguments = ["-W", "ignore", Machine.Here("Peers/asyncssh_client.py"), "algorithms"];
            return
            [
                .. Lines(ManagedProcess.RunAsync("asyncssh", Machine.Python("asyncssh"), arguments, TimeSpan.FromSeconds(30)).GetAwaiter().GetResult())
                    .Where(line => line.StartsWith(kind + " ", StringComparison.Ordinal)).Select(line => line.Split(' ')[1]),
            ];
        }
        catch (SkipException)
        {
            return [];
        }
    }

    private static IReadOnlyList<string> Lines(ProcessResult result) =>
        result.ExitCode == 0 ? result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries) : [];
}
