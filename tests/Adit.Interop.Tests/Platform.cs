using System.Runtime.Versioning;

// Real peers, signals, namespaces and file modes: these tests are about Unix.
[assembly: UnsupportedOSPlatform("windows")]
