using System.Runtime.Versioning;

[assembly: UnsupportedOSPlatform("windows")] // file modes, shells and terminals
