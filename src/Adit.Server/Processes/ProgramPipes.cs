using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Processes;

/// <summary>A program's three pipes, both ends of each. Pipes and no sockets: a program may open its output again by /dev/stdout.</summary>
internal sealed class ProgramPipes : IDisposable
{
    private readonly SafeFileHandle _input, _output, _error;

    private ProgramPipes((SafeFileHandle Reading, SafeFileHandle Writing) input, (SafeFileHandle Reading, SafeFileHandle Writing) output, (SafeFileHandle Reading, SafeFileHandle Writing) error)
    {
        (_input, Input) = input;
        (Output, _output) = output;
        (Error, _error) = error;
    }

    /// <summary>Where this process writes what the program reads.</summary>
    public SafeFileHandle Input { get; }

    /// <summary>Where this process reads what the program writes.</summary>
    public SafeFileHandle Output { get; }

    /// <summary>The same for its standard error.</summary>
    public SafeFileHandle Error { get; }

    /// <summary>The program's ends.</summary>
    public ProgramStreams Streams => new(_input, _output, _error);

    /// <summary>Throws <see cref="Adit.Ssh.SshException"/> when there are no more descriptors to be had.</summary>
    /// <param name="size">How much the first two hold, in bytes; null for the system's usual. More is fewer turns for bulk data; the kernel may refuse, which is no loss.</param>
    public static ProgramPipes Create(int? size = null)
    {
        var input = ProgramLauncher.CreatePipe();
        (SafeFileHandle Reading, SafeFileHandle Writing)? output = null;
        try
        {
            output = ProgramLauncher.CreatePipe();
            var pipes = new ProgramPipes(input, output.Value, ProgramLauncher.CreatePipe());
            if (size is { } bytes)
            {
                _ = ProcessCalls.Control(pipes.Input, ProcessCalls.SetPipeSize, bytes);
                _ = ProcessCalls.Control(pipes.Output, ProcessCalls.SetPipeSize, bytes);
            }

            return pipes;
        }
        catch
        {
            input.Reading.Dispose();
            input.Writing.Dispose();
            output?.Reading.Dispose();
            output?.Writing.Dispose();
            throw;
        }
    }

    /// <summary>Makes them a user's, who could not open /dev/stdout otherwise.</summary>
    public void GiveTo(Users.UserIdentity owner)
    {
        _ = ProcessCalls.ChangeOwner(_input, owner.Uid, owner.Gid);
        _ = ProcessCalls.ChangeOwner(_output, owner.Uid, owner.Gid);
        _ = ProcessCalls.ChangeOwner(_error, owner.Uid, owner.Gid);
    }

    /// <summary>The program has them.</summary>
    public void CloseProgramsEnds()
    {
        _input.Dispose();
        _output.Dispose();
        _error.Dispose();
    }

    public void Dispose()
    {
        CloseProgramsEnds();
        Input.Dispose();
        Output.Dispose();
        Error.Dispose();
    }
}
