namespace Adit.Cli.Multiplexing;

/// <summary>The numbers of OpenSSH's multiplexing protocol, version 4 (PROTOCOL.mux).</summary>
internal static class MuxProtocol
{
    public const uint Version = 4;

    /// <summary>Longest packet taken, in both directions.</summary>
    public const int MaxPacket = 256 * 1024;

    /// <summary>Stands in the place of a port where the host is a Unix socket's path.</summary>
    public const uint UnixPort = 0xfffffffe;

    /// <summary>Stands in the place of an escape character where there is none.</summary>
    public const uint NoEscape = 0xffffffff;

    /// <summary>The extension, named in HELLO, of telling about the connection.</summary>
    public const string InformationExtension = "info";

    /// <summary>Most variables taken from one client.</summary>
    public const int MaxVariables = 4096;
}

/// <summary>What a packet is: the first word of it.</summary>
internal enum MuxType : uint
{
    Hello = 0x00000001,

    NewSession = 0x10000002,
    AliveCheck = 0x10000004,
    Terminate = 0x10000005,
    OpenForward = 0x10000006,
    CloseForward = 0x10000007,
    NewStandardIoForward = 0x10000008,
    StopListening = 0x10000009,
    Proxy = 0x1000000f,
    Information = 0x20000001,

    Ok = 0x80000001,
    PermissionDenied = 0x80000002,
    Failure = 0x80000003,
    ExitMessage = 0x80000004,
    Alive = 0x80000005,
    SessionOpened = 0x80000006,
    RemotePort = 0x80000007,
    TerminalFailed = 0x80000008,
    ProxyGranted = 0x8000000f,
    InformationGiven = 0x90000001,
}

/// <summary>Kinds of forwards.</summary>
internal enum MuxForwardKind : uint
{
    Local = 1,
    Remote = 2,
    Dynamic = 3,
}
