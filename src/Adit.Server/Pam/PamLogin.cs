using System.Text;
using Adit.Ssh;
using Adit.Ssh.Authentication;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Pam;

/// <summary>Starts helpers: one for each login that asks PAM.</summary>
internal delegate Task<IPamHelper> PamHelperStart(CancellationToken cancellationToken);

/// <summary>What a login's PAM transaction is about.</summary>
/// <param name="Service">PAMServiceName.</param>
/// <param name="UserName">As the client sent it, of an account or not.</param>
/// <param name="Host">The client's name or address (PAM_RHOST).</param>
/// <param name="Peer">For SSH_CONNECTION and log lines.</param>
internal sealed record PamSubject(string Service, string UserName, string Host, AuthenticationPeer Peer);

/// <summary>One login's transaction with PAM, in a helper that is started when it is first needed. The methods come one at a time. Whatever goes wrong means no.</summary>
/// <param name="start">Starts the helper.</param>
/// <param name="subject">What it is about.</param>
/// <param name="logger">Gets sshd's lines.</param>
internal sealed class PamLogin(PamHelperStart start, PamSubject subject, ILogger logger) : IAsyncDisposable
{
    /// <summary>Texts kept for the user; modules that say more are cut off.</summary>
    private const int MostText = 64 * 1024;

    private readonly StringBuilder _said = new();
    private readonly Lock _lock = new(); // sessions take the text, several of them at once
    private IPamHelper? _helper;
    private PamResult? _account;
    private bool _hasAuthenticated, _disposed;

    /// <summary>The password must be changed before anything else (PAM_NEW_AUTHTOK_REQD).</summary>
    public bool MustChangePassword { get; private set; }

    /// <summary>A session was opened, and what it left for programs; null before, and where it could not be opened.</summary>
    public PamLegacy? Session { get; private set; }

    /// <summary>Whose children the login's programs are; null where no session was opened.</summary>
    public Processes.IProgramParent? Programs { get; private set; }

    /// <summary>What modules said that nobody was shown yet; empty afterwards.</summary>
    public string TakeText()
    {
        lock (_lock)
        {
            var text = _said.ToString();
            _said.Clear();
            return text;
        }
    }

    /// <summary>"password": one answer for every hidden prompt, as sshd's. True when PAM says yes.</summary>
    /// <param name="password">What was typed.</param>
    /// <param name="isReal">False for accounts that may not log in by it: PAM is asked all the same, with a password that is nobody's, and nobody can see a difference.</param>
    /// <param name="permitEmpty">PermitEmptyPasswords.</param>
    /// <param name="cancellationToken">Ends the helper.</param>
    public async Task<bool> CheckPasswordAsync(string password, bool isReal, bool permitEmpty, CancellationToken cancellationToken)
    {
        var answer = isReal ? password : Fake(password);
        var result = await AskAsync(
            new PamOrder(PamOrderKind.Authenticate, [], permitEmpty),
            text => ValueTask.FromResult(text.Style == PamCalls.PromptHidden ? answer : null),
            cancellationToken).ConfigureAwait(false);
        return Heed(result, isReal, LogLevel.Debug); // the "Failed password" line says the rest
    }

    /// <summary>"keyboard-interactive": what PAM asks is asked, prompt by prompt; what it says goes before the next prompt. Then its account check, and a new password where that is due.</summary>
    /// <param name="prompter">Asks the client.</param>
    /// <param name="isReal">False for accounts that may not log in by it: the answers are replaced.</param>
    /// <param name="permitEmpty">PermitEmptyPasswords.</param>
    /// <param name="cancellationToken">This attempt is over, or the login: ends the helper.</param>
    public async Task<bool> ConverseAsync(IKeyboardInteractivePrompter prompter, bool isReal, bool permitEmpty, CancellationToken cancellationToken)
    {
        Exception? fault = null;
        var result = await AskAsync(new PamOrder(PamOrderKind.Authenticate, [], permitEmpty), AnswerAsync, cancellationToken).ConfigureAwait(false);
        if (fault is null && Heed(result, isReal, LogLevel.Error))
        {
            result = await CheckAccountAsync("", AnswerAsync, cancellationToken).ConfigureAwait(false);
            if (fault is null && MustChangePassword)
            {
                result = await AskAsync(new PamOrder(PamOrderKind.ChangePassword), AnswerAsync, cancellationToken).ConfigureAwait(false);
                MustChangePassword = result is not { IsSuccess: true };
                _account = MustChangePassword ? _account : result;
            }
        }

        if (fault is not null)
        {
            throw fault;
        }

        var isRight = isReal && result is { IsSuccess: true };
        if (!isRight && TakeText() is { Length: > 0 } last)
        {
            await prompter.AskAsync("", last, [], cancellationToken).ConfigureAwait(false);
        }

        return isRight;

        async ValueTask<string?> AnswerAsync(PamText text)
        {
            try
            {
                var prompt = new KeyboardInteractivePrompt(TakeText() + text.Text, text.Style == PamCalls.PromptShown);
                return await prompter.AskAsync("", "", [prompt], cancellationToken).ConfigureAwait(false) is [var answer] ? (isReal ? answer : Fake(answer)) : null;
            }
            catch (Exception problem) when (problem is SshException or OperationCanceledException)
            {
                fault = problem; // the transaction is brought to its end first; another attempt may use it again
                return null;
            }
        }
    }

    /// <summary>The account check: once per login, whatever the method. Null when it may log in, else why not, for the log.</summary>
    /// <param name="information">SSH_AUTH_INFO_0: what the login was proven with.</param>
    /// <param name="cancellationToken">Ends the helper.</param>
    public async Task<string?> AccountRefusalAsync(string information, CancellationToken cancellationToken)
    {
        var result = _account ?? await CheckAccountAsync(information, static _ => ValueTask.FromResult<string?>(null), cancellationToken).ConfigureAwait(false);
        var name = PeerText.Escape(subject.UserName, 100);
        return result is { IsSuccess: true } || MustChangePassword ? null : $"Access denied for user {name} by PAM account configuration";
    }

    /// <summary>Establishes credentials and opens the session: afterwards <see cref="Session"/> says whether there is one. Null when the login goes on with or without, else why not, for the
    /// log: as with sshd, nobody whom PAM itself has let in comes in without its credentials. Who came by a key does.</summary>
    /// <param name="groups">The account's groups, which modules may add to; none where this server cannot set any.</param>
    /// <param name="cancellationToken">Ends the helper.</param>
    public async Task<string?> OpenSessionAsync(IReadOnlyList<uint> groups, CancellationToken cancellationToken)
    {
        var order = new PamOrder(PamOrderKind.OpenSession, [], _hasAuthenticated) { Numbers = groups };
        var result = await AskAsync(order, static _ => ValueTask.FromResult<string?>(null), cancellationToken).ConfigureAwait(false);
        if (result is { IsSuccess: false })
        {
            logger.LogError("PAM: {Function}(): {Text}", result.Function, PeerText.Escape(result.Text, 200));
        }

        Session = result?.Legacy;
        if (Session is { } session)
        {
            Programs = _helper!.BecomeParent(session.Groups);
        }

        return _hasAuthenticated && result is { IsSuccess: false, Function: PamCalls.SetCredentialsName }
            ? $"Access denied for user {PeerText.Escape(subject.UserName, 100)}: PAM has no credentials for them"
            : null;
    }

    /// <summary>The login is over: what was opened is closed.</summary>
    public ValueTask DisposeAsync()
    {
        _disposed = true;
        return _helper?.DisposeAsync() ?? ValueTask.CompletedTask;
    }

    /// <summary>Characters that nobody types, as many as were typed: comparing them takes as long as comparing those, and is never right.</summary>
    internal static string Fake(string typed)
    {
        const string nobodysPassword = "\b\n\r\u007FINCORRECT";
        return string.Create(Encoding.UTF8.GetByteCount(typed), 0, static (text, _) =>
        {
            for (var i = 0; i < text.Length; i++)
            {
                text[i] = nobodysPassword[i % nobodysPassword.Length];
            }
        });
    }

    private bool Heed(PamResult? result, bool isReal, LogLevel level)
    {
        if (result is { IsSuccess: false })
        {
            logger.Log(level, "PAM: {Text} for {Illegal}{User} from {Host}", PeerText.Escape(result.Text, 200), isReal ? "" : "illegal user ", PeerText.Escape(subject.UserName, 100),
                PeerText.Escape(subject.Host, 100));
        }

        var isRight = result is { IsSuccess: true } && isReal;
        _hasAuthenticated |= isRight;
        return isRight;
    }

    private async Task<PamResult?> CheckAccountAsync(string information, Func<PamText, ValueTask<string?>> answer, CancellationToken cancellationToken)
    {
        _account = await AskAsync(new PamOrder(PamOrderKind.CheckAccount, information), answer, cancellationToken).ConfigureAwait(false);
        MustChangePassword = _account?.Code == PamCalls.NewTokenRequired;
        if (_account is { IsSuccess: false } && !MustChangePassword)
        {
            logger.LogError("PAM: {Function}(): {Text}", _account.Function, PeerText.Escape(_account.Text, 200));
        }

        return _account;
    }

    /// <summary>One order, to its result; null when it has none: the helper is gone then, and stays so.</summary>
    private async Task<PamResult?> AskAsync(PamOrder order, Func<PamText, ValueTask<string?>> answer, CancellationToken cancellationToken)
    {
        try
        {
            if (_helper is null)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                _helper = await start(cancellationToken).ConfigureAwait(false);
                var peer = subject.Peer;
                var connection = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{peer.RemoteAddress} {peer.RemotePort} {peer.LocalAddress} {peer.LocalPort}");
                var begun = await RunAsync(_helper, new PamOrder(PamOrderKind.Begin, subject.Service, subject.UserName, subject.Host, connection), answer, cancellationToken).ConfigureAwait(false);
                if (!begun.IsSuccess)
                {
                    logger.LogError("PAM: {Function}(): {Text}", begun.Function, PeerText.Escape(begun.Text, 200));
                    await ForgetHelperAsync().ConfigureAwait(false);
                    return null;
                }
            }

            var result = await RunAsync(_helper, order, answer, cancellationToken).ConfigureAwait(false);
            if (!string.Equals(result.UserName, subject.UserName, StringComparison.Ordinal))
            {
                // Rules about one user must not let another in.
                logger.LogError("PAM: the user changed from {From} to {To}: refused", PeerText.Escape(subject.UserName, 100), PeerText.Escape(result.UserName, 100));
                return null;
            }

            return result;
        }
        catch (Exception problem) when (problem is SshException or OperationCanceledException)
        {
            // It is in the middle of something that nobody will see the end of. Another attempt gets another.
            await ForgetHelperAsync().ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            logger.LogError("PAM: {Problem}", problem.Message);
            return null;
        }
    }

    /// <summary>The next order begins with another one.</summary>
    private async ValueTask ForgetHelperAsync()
    {
        var helper = _helper;
        _helper = null;
        if (helper is not null)
        {
            await helper.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task<PamResult> RunAsync(IPamHelper helper, PamOrder order, Func<PamText, ValueTask<string?>> answer, CancellationToken cancellationToken)
    {
        helper.Send(order);
        while (true)
        {
            switch (await helper.ReceiveAsync(cancellationToken).ConfigureAwait(false))
            {
                case PamText { IsPrompt: true } prompt:
                    helper.Send(await answer(prompt).ConfigureAwait(false) is { } given && given.Length <= PamCalls.MaxAnswer
                        ? new PamOrder(PamOrderKind.Answer, given)
                        : new PamOrder(PamOrderKind.Abort));
                    break;
                case PamText text:
                    Keep(text.Text);
                    break;
                case PamResult result:
                    return result;
            }
        }
    }

    private void Keep(string text)
    {
        lock (_lock)
        {
            if (_said.Length + text.Length < MostText)
            {
                _said.Append(text).Append('\n');
            }
        }
    }
}
