using System.Net;
using System.Net.Sockets;

namespace Adit.Interop.Tests.Harness;

/// <summary>Ports for programs that are told one. What the kernel gives to whoever asks for port 0 and closes again may be anybody's the next moment.</summary>
internal static class FreePorts
{
    // Below the range from which the kernel picks the ports of outgoing connections: none of those can take ours away.
    private const int FirstPort = 12_000;
    private const int LastPort = 32_000;
    private const int BlockLength = 500;
    private const int Blocks = (LastPort - FirstPort) / BlockLength;

    private static readonly Lock Picking = new();

    /// <summary>The blocks of ports that are this process's, each with the locked file that says so to other runs of the tests.</summary>
    private static readonly Dictionary<int, FileStream> Reserved = [];

    private static int s_next, s_end;

    /// <summary>A port that nobody listens on, not given twice by this process and never by another that runs these tests: what is told a port may take a while to listen.</summary>
    /// <param name="inARow">The first of so many that are all free.</param>
    public static int Take(int inARow = 1)
    {
        lock (Picking)
        {
            while (true)
            {
                if (s_end - s_next < inARow)
                {
                    s_next = FirstPort + (ReserveBlock() * BlockLength);
                    s_end = s_next + BlockLength;
                }

                int port = s_next;
                s_next += inARow;
                if (Enumerable.Range(port, inARow).All(IsFree))
                {
                    return port;
                }
            }
        }
    }

    private static int ReserveBlock()
    {
        int first = Random.Shared.Next(Blocks);
        for (int i = 0; i < Blocks; i++)
        {
            int block = (first + i) % Blocks;
            if (Reserved.ContainsKey(block))
            {
                continue;
            }

            try
            {
                string file = Path.Combine(Path.GetTempPath(), $"adit-test-ports.{Environment.UserName}.{block}");
                Reserved[block] = new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
                return block;
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
            {
                // Somebody else's.
            }
        }

        // After so many, the first ones are long out of use.
        return Reserved.Count > 0 ? Reserved.Keys.ElementAt(Random.Shared.Next(Reserved.Count)) : first;
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var v4 = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            v4.Bind(new IPEndPoint(IPAddress.Any, port));
            if (Socket.OSSupportsIPv6)
            {
                using var v6 = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = false };
                v6.Bind(new IPEndPoint(IPAddress.IPv6Any, port));
            }

            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
