using System.Text;
using Adit.Server.Sessions;
using Adit.Server.Users;
using Adit.Ssh;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Processes;

/// <summary>Runs short programs as an account: <see cref="IUserPrograms"/> by <see cref="ProgramLauncher"/>.</summary>
/// <param name="helper">For accounts that are not this process's; null for none.</param>
/// <param name="users">Accounts and their groups.</param>
/// <param name="logger">Hears of what the helper could not do.</param>
/// <param name="parent">Whose children they are; null for this process's.</param>
internal sealed class UserPrograms(StartHelper? helper, IUserDatabase users, ILogger logger, IProgramParent? parent = null) : IUserPrograms
{
    private const int MostOutput = 1024 * 1024;
    private const int SignalBase = 128;

    private readonly ProgramLauncher _launcher = new(helper, users, logger);

    public async Task<ProgramResult> RunAsync(
        UserAccount account, IReadOnlyList<string> command, ReadOnlyMemory<byte> input, IReadOnlyDictionary<string, string> environment, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var pipes = ProgramPipes.Create();
        LaunchedProgram launched;
        try
        {
            var start = await BlockingWork.RunAsync(() => Prepare(account, command, environment, pipes), cancellationToken).ConfigureAwait(false);
            launched = await _launcher.LaunchAsync(start, pipes.Streams, parent, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            pipes.Dispose();
            throw;
        }
        finally
        {
            pipes.CloseProgramsEnds();
        }

        using var output = new PipeTransfer(pipes.Output);
        using var errors = new PipeTransfer(pipes.Error);
        using var feeding = new PipeTransfer(pipes.Input);
        var read = output.ReadAsync(MostOutput);
        var readErrors = errors.ReadAsync(MostOutput);
        var written = feeding.WriteAsync(input);
        ProgramExit exit;
        using (cancellationToken.UnsafeRegister(static program => ((RunningProgram)program!).SignalGroup(ProcessCalls.SigKill), launched.Program))
        {
            exit = await launched.Program.Exit.ConfigureAwait(false);
        }

        output.TakeTheRest();
        errors.TakeTheRest();
        feeding.TakeTheRest();
        await written.ConfigureAwait(false);
        var said = launched.Notice + Encoding.UTF8.GetString(await readErrors.ConfigureAwait(false));
        var result = new ProgramResult(exit.Status ?? SignalBase + (exit.Signal ?? 0), await read.ConfigureAwait(false), said);
        cancellationToken.ThrowIfCancellationRequested();
        return result;
    }

    private ProgramStart Prepare(UserAccount account, IReadOnlyList<string> command, IReadOnlyDictionary<string, string> environment, ProgramPipes pipes)
    {
        if (_launcher.Obstacle(account, null, out var identity) is { } obstacle)
        {
            throw new SshException(SshError.PolicyDenied, obstacle);
        }

        identity = parent.IdentityOf(account, identity);
        if (identity is not null)
        {
            pipes.GiveTo(identity);
        }

        return new ProgramStart { File = command[0], Arguments = command, Environment = environment, WorkingFolder = account.HomeDirectory, Identity = identity, EndsItsGroup = true };
    }
}
