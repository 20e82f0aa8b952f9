using System.Net.Sockets;
using Adit.Cli.Background;
using Adit.Cli.Multiplexing;

namespace Adit.Cli.Tests.Multiplexing;

/// <summary>Two ends of a control connection.</summary>
internal sealed class ControlPair : IDisposable
{
    public ControlPair()
    {
        var (here, there) = PosixProcess.SocketPair();
        Raw = new Socket(new SafeSocketHandle(here, ownsHandle: true));
        Connection = new MuxConnection(new Socket(new SafeSocketHandle(there, ownsHandle: true)));
    }

    /// <summary>What a peer would hold.</summary>
    public Socket Raw { get; }

    public MuxConnection Connection { get; }

    public void Dispose()
    {
        Raw.Dispose();
        Connection.Dispose();
    }
}
