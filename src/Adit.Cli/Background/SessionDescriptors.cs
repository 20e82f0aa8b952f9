using Adit.Cli.CommandLine;

namespace Adit.Cli.Background;

/// <summary>What a session reads from and writes to.</summary>
/// <param name="Input">Standard input.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
internal readonly record struct SessionDescriptors(int Input, int Output, int Error)
{
    /// <summary>The process's own.</summary>
    public static SessionDescriptors Standard => new(Descriptor.StandardInput, Descriptor.StandardOutput, Descriptor.StandardError);

    /// <summary>Copies for a session that goes on in the background: its output still goes where the command's went, while the process gives its own streams up.</summary>
    public static SessionDescriptors Keep() => OperatingSystem.IsWindows()
        ? Standard
        : new(Descriptor.StandardInput, PosixProcess.Duplicate(Descriptor.StandardOutput), PosixProcess.Duplicate(Descriptor.StandardError));
}
