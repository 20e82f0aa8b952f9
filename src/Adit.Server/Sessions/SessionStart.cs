using System.Globalization;
using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Server.Pam;
using Adit.Server.Processes;
using Adit.Server.Sftp;
using Adit.Server.Users;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;
using K = Adit.Server.Configuration.SessionKeywords;

namespace Adit.Server.Sessions;

/// <summary>Starts a session's program: decides what runs, as whom, where, and with which environment.</summary>
internal sealed class SessionStart(ServerSession session)
{
    private const int NologinStatus = 254, NoPamSessionStatus = 254, PasswordExpiredStatus = 1;
    private const string PasswordProgram = "/usr/bin/passwd", SystemRc = "/etc/ssh/sshrc";
    private const int SftpOnlyStatus = 1;
    private const int MostText = 64 * 1024;
    private const int MostEnvironmentFile = 1024 * 1024;

    /// <summary>Room in the pipes, for fewer turns with bulk data.</summary>
    private const int PipeSize = 256 * 1024;

    private readonly ILogger _logger = session.Scope.Service.Logger;
    private readonly UserAccount _account = session.Scope.Login.Account;

    /// <summary>Null when nothing is to be started; that is logged.</summary>
    public async Task<SessionRun?> RunAsync(StartRequest request, CancellationToken cancellationToken)
    {
        var (login, peer) = (session.Scope.Login, session.Scope.Service.Peer);
        var grant = await login.NowAsync(cancellationToken).ConfigureAwait(false);
        if (grant.RuleAgainstPrograms(DateTimeOffset.UtcNow) is { } rule)
        {
            _logger.LogInformation("session {Id}: nothing is started: {Rule}", session.Id, rule);
            return null;
        }

        var name = PeerText.Escape(_account.Name, 100);
        if (SessionCommand.Of(grant, request) is not { } command)
        {
            _logger.LogInformation("subsystem request for {Subsystem} by user {User} failed, subsystem not found", PeerText.Escape(request.Text!, 100), name);
            return null;
        }

        session.Channel.ExtendedType = command.ChannelType;
        _logger.LogInformation(LogEvents.Session, "Starting session: {Title}{Terminal} for {User} from {Address} port {Port} id {Id}",
            command.Title, session.Terminal is { } terminal ? " on " + terminal.Path.Replace("/dev/", "", StringComparison.Ordinal) : "", name, peer.RemoteAddress, peer.RemotePort, session.Id);
        session.Scope.SetQuality(grant.Config.Get(SessionKeywords.IPQoS), session.Terminal is not null);
        var environment = new SessionEnvironment();
        environment.AddBasics(_account, Shell, session.Variables, session.Term, grant.Config.Get(SshdKeywords.UsePam));
        await session.PrepareAsync(environment.Variables, cancellationToken).ConfigureAwait(false);
        await session.Scope.Login.OpeningTunnels.WhenIdleAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
        var prepared = await BlockingWork.RunAsync(() => Start(grant, command, environment), CancellationToken.None).ConfigureAwait(false);
        if (prepared is not { Start: { } start, Launch: { } launch })
        {
            return prepared?.Run;
        }

        // As with sshd an rc file is told the cookie, and it is the file's business then.
        if (!prepared.RunsRc && session.Scope.X11.Of(session) is { } authority)
        {
            await authority.AddAsync(session.Scope, start.Environment, cancellationToken).ConfigureAwait(false);
        }

        var run = await launch().ConfigureAwait(false);
        await run.RecordAsync(session).ConfigureAwait(false);
        return run;
    }

    /// <summary>A run that is over before it began, or a program that can be started and how.</summary>
    private sealed record Prepared(SessionRun? Run, ProgramStart? Start = null, Func<Task<SessionRun>>? Launch = null)
    {
        /// <summary>There is an rc file, and it runs ahead of the program.</summary>
        public bool RunsRc { get; init; }

        public static implicit operator Prepared?(SessionRun? run) => run is null ? null : new(run);
    }

    private string Shell => _account.Shell.Length == 0 ? "/bin/sh" : _account.Shell;

    /// <summary>On a thread that may wait: for users' files and name services. Null when nothing is to be started.</summary>
    private Prepared? Start(LoginGrant grant, SessionCommand command, SessionEnvironment environment)
    {
        var root = RootOf(grant.Config);
        if (session.Service.Launcher.Obstacle(_account, root, out var identity) is { } obstacle)
        {
            _logger.LogError("session {Id} cannot start anything: {Obstacle}", session.Id, obstacle);
            return null;
        }

        if (root is not null && !CanEnter(root))
        {
            return null;
        }

        var pam = session.Scope.Login.Pam;
        identity = pam?.Programs.IdentityOf(_account, identity) ?? identity;
        if (pam is { Session: null })
        {
            return Ended(command, NoPamSessionStatus, pam.TakeText(), null, identity);
        }

        var notice = Fill(grant, command, environment, pam?.Session);
        if (pam is { MustChangePassword: true })
        {
            return ChangePassword(command, environment, identity, root);
        }

        if (command.IsSftpOnly)
        {
            return Ended(command, SftpOnlyStatus, "This service allows sftp connections only.\n", null, identity);
        }

        if (Nologin(grant.Config) is { } text)
        {
            return Ended(command, NologinStatus, "", text, identity);
        }

        if (ProgramOf(command) is not { } program)
        {
            return null;
        }

        var start = new ProgramStart
        {
            File = program.File,
            Arguments = program.Arguments,
            Environment = command.Sftp is null ? environment.Variables.ToDictionary() : environment.Variables.Where(variable => !TurnsPrograms(variable.Key)).ToDictionary(),
            WorkingFolder = _account.HomeDirectory,
            Identity = identity,
            Root = root,
            Attributes = pam?.Session?.Attributes ?? ProcessAttributes.None,
            Sftp = command.Sftp is null ? null : new SftpStart(_account.Name, _account.HomeDirectory, session.Scope.Service.Peer.RemoteAddress),
        };
        var prelude = PreludeOf(grant, command, start, out var runsRc);
        start = start with { Prelude = prelude };
        return new Prepared(null, start, () => LaunchAsync(start, command, notice, Greeting(grant.Config, command, pam))) { RunsRc = runsRc };
    }

    /// <summary>What runs ahead of the program (sshd(8), "SSHRC"). Where nothing else needs the helper, only a file that is there does.</summary>
    /// <param name="grant">What is allowed.</param>
    /// <param name="command">The program.</param>
    /// <param name="start">How it would start without.</param>
    /// <param name="runsRc">There is a file. The helper looks for itself, in the program's root folder; here it is looked for where the answer counts: for X11, which is not in another root folder
    /// than ours, and where the helper is needed for nothing else.</param>
    private ProgramPrelude? PreludeOf(LoginGrant grant, SessionCommand command, ProgramStart start, out bool runsRc)
    {
        var isPermitted = !command.IsSubsystem && grant.ForcedCommand is not { Rule: "ForceCommand" } && grant.Config.Get(K.PermitUserRc) && grant.RuleAgainst(LoginRight.UserRc, DateTimeOffset.UtcNow) is null;
        var userFile = isPermitted ? Path.Combine(_account.HomeDirectory, ".ssh", "rc") : null;
        var prelude = new ProgramPrelude(Shell, userFile, SystemRc, session.RcInput);
        var needsHelper = start.NeedsHelper || session.Scope.Login.Pam?.Programs is not null;
        var isAsked = !needsHelper || (start.Root is null && session.Scope.X11.Of(session) is not null);
        runsRc = isAsked && ((userFile is not null && UserFile.Exists(userFile, _account)) || File.Exists(SystemRc));
        if (needsHelper)
        {
            return prelude;
        }

        if (!runsRc)
        {
            return null;
        }

        if (!session.Service.HasHelper)
        {
            _logger.LogWarning("session {Id}: the rc file is not run: this server has no helper", session.Id);
            runsRc = false;
            return null;
        }

        return prelude;
    }

    /// <summary>PAM wants a new password ahead of anything else: on a terminal the user may give one, and logs in again then. In sshd's words.</summary>
    private Prepared ChangePassword(SessionCommand command, SessionEnvironment environment, UserIdentity? identity, string? root)
    {
        const string expired = "WARNING: Your password has expired.\n";
        if (session.Terminal is null)
        {
            return new Prepared(Ended(command, PasswordExpiredStatus, "", expired + "Password change required but no TTY available.\n", identity));
        }

        var start = new ProgramStart
        {
            File = PasswordProgram,
            Arguments = ["passwd"],
            Environment = environment.Variables.Where(variable => !TurnsPrograms(variable.Key)).ToDictionary(),
            WorkingFolder = "/",
            Identity = identity,
            Root = root,
        };
        return new Prepared(null, start, () => LaunchAsync(start, command, expired + "You must change your password now and login again!\n", "")) { RunsRc = true };
    }

    /// <summary>Variables that have a program run code of the user's. Who is let in for SFTP alone could break out by them where the system has an rc file, which a shell runs.</summary>
    private static bool TurnsPrograms(string variable) => variable.StartsWith("LD_", StringComparison.Ordinal) || variable is "GCONV_PATH" or "GLIBC_TUNABLES";

    private async Task<SessionRun> LaunchAsync(ProgramStart start, SessionCommand command, string notice, string greeting)
    {
        var terminal = session.Terminal;
        var pipes = terminal is null ? ProgramPipes.Create(PipeSize) : null;
        if (start.Identity is { } owner)
        {
            pipes?.GiveTo(owner);
        }

        try
        {
            var streams = pipes?.Streams ?? new ProgramStreams { Terminal = terminal!.Path };
            var launched = await session.Service.Launcher.LaunchAsync(start, streams, session.Scope.Login.Pam?.Programs, CancellationToken.None).ConfigureAwait(false);
            pipes?.CloseProgramsEnds();
            terminal?.ReleaseSlave();
            return Make(command, launched with { Notice = notice + launched.Notice }, pipes, start.Identity, greeting);
        }
        catch
        {
            pipes?.Dispose();
            throw;
        }
    }

    /// <summary>A program that is over before it began, and what it would have said.</summary>
    private SessionRun Ended(SessionCommand command, int status, string output, string? notice, UserIdentity? identity)
    {
        var pipes = session.Terminal is null ? ProgramPipes.Create() : null;
        pipes?.CloseProgramsEnds();
        session.Terminal?.ReleaseSlave();
        return Make(command, new LaunchedProgram(RunningProgram.Ended(status), notice), pipes, identity, output);
    }

    private SessionRun Make(SessionCommand command, LaunchedProgram launched, ProgramPipes? pipes, UserIdentity? identity, string greeting)
    {
        foreach (var descriptor in (Microsoft.Win32.SafeHandles.SafeFileHandle?[])[pipes?.Input, pipes?.Output, pipes?.Error])
        {
            if (descriptor is not null)
            {
                ProgramLauncher.SetNonBlocking(descriptor);
            }
        }

        return new SessionRun(session, command, launched, pipes) { Greeting = greeting, Identity = identity, Launcher = session.Service.Launcher };
    }

    /// <summary>The rest of the environment; returns what the program's standard error begins with.</summary>
    private string Fill(LoginGrant grant, SessionCommand command, SessionEnvironment environment, PamLegacy? pam)
    {
        var notice = "";
        var permitted = grant.Config.Get(SshdKeywords.PermitUserEnvironment);
        environment.AddCredentials(grant.Rights.Environment);
        if (permitted != EnvironmentNames.None)
        {
            var path = Path.Combine(_account.HomeDirectory, ".ssh", "environment");
            if (UserFile.Read(path, _account, strict: false, MostEnvironmentFile).Content is { } content)
            {
                notice = environment.AddFile(path, content, permitted);
            }
        }

        environment.AddPam(pam?.Variables ?? []);
        environment.AddConfigured(grant.Config.Get(K.SetEnv));
        environment.AddConnection(session.Scope.Service.Peer, session.Terminal?.Path, command.Original);
        if (ConnectionTunnels.NamesOf(session.Scope.Service.Connection) is { Length: > 0 } interfaces)
        {
            environment.Variables["SSH_TUNNEL"] = interfaces;
        }

        if (grant.Config.Get(K.ExposeAuthInfo) && session.AuthenticationFile() is { } file)
        {
            environment.Variables["SSH_USER_AUTH"] = file;
        }

        return notice;
    }

    private (string File, IReadOnlyList<string> Arguments)? ProgramOf(SessionCommand command)
    {
        if (command.Sftp is { } arguments)
        {
            if (!session.Service.HasHelper)
            {
                _logger.LogError("{Name} cannot be served: this server has no helper", SftpStart.ProgramName);
                return null;
            }

            return (SftpStart.ProgramName, [SftpStart.ProgramName, .. arguments]);
        }

        var name = Shell[(Shell.LastIndexOf('/') + 1)..];
        return (Shell, command.Command is { } text ? [name, "-c", text] : ["-" + name]);
    }

    /// <summary>The helper looks again before it enters. As with sshd the whole connection ends where it must not.</summary>
    private bool CanEnter(string root)
    {
        if (RootFolder.Fault(root) is { } fault)
        {
            fault = PeerText.Escape(fault);
            _logger.LogError("{Fault}", fault);
            session.Channel.Connection.Transport.End(new SshException(SshError.PolicyDenied, fault));
            return false;
        }

        _logger.LogInformation(LogEvents.Session, "Changed root directory to \"{Root}\"", PeerText.Escape(root));
        return true;
    }

    private string? RootOf(SshdConfig config)
    {
        var pattern = config.Get(K.ChrootDirectory);
        return pattern.Equals("none", StringComparison.OrdinalIgnoreCase)
            ? null
            : new TokenExpander([new('h', _account.HomeDirectory), new('u', _account.Name), new('U', _account.Uid.ToString(CultureInfo.InvariantCulture))]).Expand(pattern);
    }

    /// <summary>/etc/nologin keeps everybody but root out. With PAM that is PAM's business. Null when it is not there.</summary>
    private string? Nologin(SshdConfig config)
    {
        const string path = "/etc/nologin";
        if (_account.IsRoot || config.Get(SshdKeywords.UsePam) || !File.Exists(path))
        {
            return null;
        }

        _logger.LogInformation("User {User} not allowed because {Path} exists", PeerText.Escape(_account.Name, 100), path);
        return ReadText(path);
    }

    /// <summary>For login shells, unless the user does not want it: what PAM's modules said, and on a terminal the login before this one and the message of the day too.</summary>
    private string Greeting(SshdConfig config, SessionCommand command, PamLogin? pam)
    {
        if (command.Command is not null || UserFile.Exists(Path.Combine(_account.HomeDirectory, ".hushlogin"), _account))
        {
            return "";
        }

        var said = pam?.TakeText() ?? "";
        return session.Terminal is null ? said : said + (config.Get(K.PrintLastLog) ? session.Service.Records?.Notice(_account.Uid) : "") + (config.Get(K.PrintMotd) ? ReadText("/etc/motd") : "");
    }

    private static string ReadText(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read);
            var content = new byte[MostText];
            return OsText.Decode(content.AsSpan(0, file.ReadAtLeast(content, MostText, throwOnEndOfStream: false)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
