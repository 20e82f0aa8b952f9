using System.Runtime.CompilerServices;
using System.Runtime.Versioning;

// Real peers, signals, namespaces and file modes: these tests are about Unix.
[assembly: UnsupportedOSPlatform("windows")]

namespace Adit.Interop.Tests;

internal static class Platform
{
    // A process's output is read by threads that block; with fifty processes at once the pool would be slow to make enough of them.
    [ModuleInitializer]
    internal static void MakeRoomForReaders() => ThreadPool.SetMinThreads(256, 64);
}
