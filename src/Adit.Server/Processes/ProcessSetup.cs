using System.Runtime.Versioning;

namespace Adit.Server.Processes;

/// <summary>What a server that starts programs changes about its own process.</summary>
[SupportedOSPlatform("linux")]
public static unsafe class ProcessSetup
{
    private const uint GroupOrOthersWrite = 0x12; // 022
    private const nint Default = 0, Ignore = 1;

    /// <summary>As sshd: root's supplementary groups are given up, files are not for others to write, and the ends of programs are heard of even where the process was started with those ignored.</summary>
    public static void ForServer()
    {
        var before = ProcessCalls.SetUmask(0x3F); // 077, for the moment
        _ = ProcessCalls.SetUmask(before | GroupOrOthersWrite);
        if (Users.LibC.GetEffectiveUserId() == 0)
        {
            _ = ProcessCalls.SetGroups(0, null); // a container may forbid it
        }

        var action = stackalloc byte[ProcessCalls.OpaqueSize]; // the handler comes first
        if (ProcessCalls.SignalAction(ProcessCalls.SigChild, null, action) == 0 && *(nint*)action == Ignore)
        {
            _ = ProcessCalls.SetSignal(ProcessCalls.SigChild, Default);
        }
    }
}
