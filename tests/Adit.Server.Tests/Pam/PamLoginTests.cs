using System.Diagnostics.CodeAnalysis;
using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Server.Pam;
using Adit.Server.Processes;
using Adit.Server.Tests.Support;
using Adit.Server.Users;
using Adit.Ssh;
using Adit.Ssh.Authentication;
using Microsoft.Extensions.Logging.Abstractions;

namespace Adit.Server.Tests.Pam;

/// <summary>One login's dealings with PAM, against a PAM that is played. The real one is in Adit.Interop.Tests.</summary>
[SuppressMessage("Design", "CA1001", Justification = "the logins dispose of it")]
public sealed class PamLoginTests
{
    private static readonly AuthenticationPeer Peer = new("10.0.0.7", 50000, "10.0.0.1", 22, "SSH-2.0-test", 1);

    private readonly FakePamHelper _helper = new();
    private int _starts;

    [Fact]
    public async Task A_password_answers_hidden_prompts_and_nothing_else()
    {
        _helper.Script = order => order.Kind switch
        {
            PamOrderKind.Authenticate => [new PamText(PamCalls.InformationText, "be careful"), new PamText(PamCalls.PromptHidden, "Password: ")],
            PamOrderKind.Answer => [new PamText(PamCalls.PromptShown, "Favourite colour: ")],
            PamOrderKind.Abort => [_helper.Result(PamCalls.ConversationError)],
            _ => [],
        };
        await using var login = Login();
        Assert.False(await login.CheckPasswordAsync("secret", isReal: true, permitEmpty: false, CancellationToken.None));
        Assert.Equal([PamOrderKind.Begin, PamOrderKind.Authenticate, PamOrderKind.Answer, PamOrderKind.Abort], _helper.Orders.Select(order => order.Kind));
        Assert.Equal("secret", _helper.Orders[2].Texts.Single());
        Assert.Equal("be careful\n", login.TakeText());
        Assert.Equal("", login.TakeText());
    }

    [Theory]
    [InlineData("")]
    [InlineData("sécret")]
    [InlineData("a rather longer password than the fake's own")]
    public async Task An_account_that_may_not_log_in_is_asked_with_nobodys_password_and_never_right(string typed)
    {
        _helper.Script = order => order.Kind == PamOrderKind.Authenticate ? [new PamText(PamCalls.PromptHidden, "Password: ")] : [];
        await using var login = Login();
        Assert.False(await login.CheckPasswordAsync(typed, isReal: false, permitEmpty: false, CancellationToken.None));
        var answer = _helper.Orders.Single(order => order.Kind == PamOrderKind.Answer).Texts.Single();
        Assert.Equal(System.Text.Encoding.UTF8.GetByteCount(typed), answer.Length);
        Assert.StartsWith(answer.Length > 0 ? "\b\n\r\u007FINCORRECT"[..Math.Min(answer.Length, 13)] : "", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Somebody_else_than_who_asked_is_not_let_in()
    {
        await using var login = Login();
        _helper.OtherUser = "root";
        Assert.False(await login.CheckPasswordAsync("secret", isReal: true, permitEmpty: false, CancellationToken.None));
        Assert.NotNull(await login.AccountRefusalAsync("", CancellationToken.None));
    }

    [Fact]
    public async Task A_helper_that_dies_means_no_and_the_next_attempt_gets_another()
    {
        _helper.Script = order => order.Kind == PamOrderKind.Authenticate && _starts == 1 ? [new PamText(PamCalls.InformationText, "about to crash")] : [];
        await using (var login = Login())
        {
            Assert.False(await login.CheckPasswordAsync("secret", isReal: true, permitEmpty: false, CancellationToken.None));
            Assert.True(await login.CheckPasswordAsync("secret", isReal: true, permitEmpty: false, CancellationToken.None));
        }

        Assert.Equal((2, 2), (_starts, _helper.Disposals));
    }

    [Fact]
    public async Task Nothing_is_started_for_a_login_that_asks_nothing()
    {
        await Login().DisposeAsync();
        Assert.Equal(0, _starts);
    }

    [Fact]
    public async Task A_conversation_shows_texts_with_the_next_prompt_checks_the_account_and_changes_what_has_expired()
    {
        var step = 0;
        _helper.Script = order => (order.Kind, order.Kind == PamOrderKind.Answer ? ++step : 0) switch
        {
            (PamOrderKind.Authenticate, _) => [new PamText(PamCalls.InformationText, "Hello"), new PamText(PamCalls.PromptHidden, "Password: ")],
            (PamOrderKind.Answer, 1) => [new PamText(PamCalls.PromptShown, "Code: ")],
            (PamOrderKind.CheckAccount, _) => [_helper.Result(PamCalls.NewTokenRequired)],
            (PamOrderKind.ChangePassword, _) => [new PamText(PamCalls.PromptHidden, "New password: ")],
            _ => [],
        };
        var prompter = new Prompter("secret", "1234", "newer");
        await using var login = Login();
        Assert.True(await login.ConverseAsync(prompter, isReal: true, permitEmpty: false, CancellationToken.None));
        Assert.Equal(["Hello\nPassword: |hidden", "Code: |shown", "New password: |hidden"], prompter.Shown);
        Assert.Equal(["secret", "1234", "newer"], _helper.Orders.Where(order => order.Kind == PamOrderKind.Answer).Select(order => order.Texts.Single()));
        Assert.False(login.MustChangePassword);
        Assert.Null(await login.AccountRefusalAsync("", CancellationToken.None)); // known already
        Assert.Single(_helper.Orders, order => order.Kind == PamOrderKind.CheckAccount);
    }

    [Fact]
    public async Task A_client_that_gives_a_conversation_up_takes_its_helper_along()
    {
        _helper.Script = order => order.Kind == PamOrderKind.Authenticate && _starts == 1 ? [new PamText(PamCalls.PromptHidden, "Password: ")] : [];
        using var attempt = new CancellationTokenSource();
        await using var login = Login();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => login.ConverseAsync(new Prompter { Asked = attempt.Cancel }, isReal: true, permitEmpty: false, attempt.Token));
        Assert.Equal(1, _helper.Disposals);
        Assert.True(await login.CheckPasswordAsync("secret", isReal: true, permitEmpty: false, CancellationToken.None));
    }

    [Fact]
    public async Task A_session_brings_what_modules_left()
    {
        var attributes = new ProcessAttributes([new ResourceLimit(7, 10, 20)], Umask: 23, Priority: -5, LoginId: 1000, ExecContext: "user_u:user_r:user_t:s0");
        _helper.Script = order => order.Kind == PamOrderKind.OpenSession ? [_helper.Result(0) with { Legacy = new PamLegacy(["A=b=c", "X="], attributes, [.. order.Numbers, 60u]) }] : [];
        await using var login = Login();
        Assert.Null(await login.OpenSessionAsync([1000, 27], CancellationToken.None));
        Assert.Equal(["A=b=c", "X="], login.Session!.Variables);
        Assert.Equal(attributes.Limits, login.Session.Attributes.Limits);
        Assert.Equal((23u, -5, 1000u, "user_u:user_r:user_t:s0"),
            (login.Session.Attributes.Umask, login.Session.Attributes.Priority, login.Session.Attributes.LoginId, login.Session.Attributes.ExecContext));
        Assert.Equal([1000u, 27u, 60u], login.Programs!.Groups);
        var account = new UserAccount("alice", 1000, 1000, "/", "");
        Assert.Equal([1000u, 27u, 60u], login.Programs.IdentityOf(account, null)!.Groups);
    }

    // As sshd: it was PAM's yes, and PAM takes it back.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Without_credentials_nobody_comes_in_whom_PAM_has_authenticated(bool byPassword)
    {
        var attributes = ProcessAttributes.None;
        _helper.Script = order => order.Kind == PamOrderKind.OpenSession
            ? [_helper.Result(PamCalls.AuthenticationError) with { Function = "pam_setcred", Legacy = order.Flag ? null : new PamLegacy([], attributes) }]
            : [];
        await using var login = Login();
        if (byPassword)
        {
            Assert.True(await login.CheckPasswordAsync("secret", isReal: true, permitEmpty: false, CancellationToken.None));
        }

        Assert.Equal(byPassword ? "Access denied for user alice: PAM has no credentials for them" : null, await login.OpenSessionAsync([], CancellationToken.None));
        Assert.Equal(byPassword, _helper.Orders[^1].Flag);
        Assert.Equal(byPassword, login.Session is null);
    }

    [Fact]
    public async Task A_helper_that_cannot_begin_is_not_asked_anything_and_the_next_attempt_gets_another()
    {
        _helper.Script = order => order.Kind == PamOrderKind.Begin && _starts == 1 ? [_helper.Result(PamCalls.PermissionDenied)] : [];
        await using (var login = Login())
        {
            Assert.False(await login.CheckPasswordAsync("secret", isReal: true, permitEmpty: false, CancellationToken.None));
            Assert.Equal(1, _helper.Disposals);
            Assert.True(await login.CheckPasswordAsync("secret", isReal: true, permitEmpty: false, CancellationToken.None));
        }

        Assert.Equal((2, 2), (_starts, _helper.Disposals));
        Assert.Equal([PamOrderKind.Begin, PamOrderKind.Begin, PamOrderKind.Authenticate], _helper.Orders.Select(order => order.Kind));
    }

    // A module may leave a child behind that holds the pipe.
    [Fact]
    public async Task A_helper_that_has_ended_is_not_waited_for_whoever_holds_its_pipe()
    {
        using var folder = new TempFolder();
        var file = folder["child"];
        var launcher = new ProgramLauncher(new StartHelper("/bin/sh", ["sh", "-c", $"sleep 100 & echo $! > '{file}'"]), new FakeUsers(), NullLogger.Instance);
        await using var helper = await PamHelper.StartAsync(launcher, CancellationToken.None);
        try
        {
            var problem = await Assert.ThrowsAsync<SshException>(() => helper.ReceiveAsync(CancellationToken.None).AsTask().WaitAsync(TimeSpan.FromSeconds(30)));
            Assert.Equal("the PAM helper is of no use: it has ended", problem.Message);
            Assert.True(Child().ProcessName.Length > 0); // and it is there
        }
        finally
        {
            Child().Kill();
        }

        System.Diagnostics.Process Child() => System.Diagnostics.Process.GetProcessById(int.Parse(File.ReadAllText(file), System.Globalization.CultureInfo.InvariantCulture));
    }

    // The server does not start with such a configuration, but one that it is given later it takes.
    [Fact]
    public async Task Where_nothing_can_ask_PAM_nobody_comes_in_with_UsePAM()
    {
        var key = Support.Login.NewKey();
        using var login = new Login("UsePAM no");
        login.Authorize(key.ToText("alice"));
        var authenticator = new AuthorizedKeysAuthenticator(login.Live, login.Users, login.Log);
        AuthenticationPeer[] peers = [login.Peer, login.Peer with { ConnectionId = 2 }];
        Assert.IsType<AuthenticationDecision.Accepted>(await AskAsync(peers[0]));
        login.Live.Replace(SshdConfig.Parse("UsePAM yes"));
        Assert.IsType<AuthenticationDecision.Denied>(await AskAsync(peers[1]));
        Assert.Contains("User alice not allowed because UsePAM is on and this server has nothing to ask PAM with", login.Log.Errors);

        Task<AuthenticationDecision> AskAsync(AuthenticationPeer peer) =>
            authenticator.AuthenticateAsync(new PublicKeyRequest("alice", peer, key, key.SignatureAlgorithms[0], SignatureVerified: true), CancellationToken.None).AsTask();
    }

    [Fact]
    public async Task Every_method_goes_by_the_account_check()
    {
        var key = Support.Login.NewKey();
        using var login = new Login("UsePAM yes");
        login.Authorize(key.ToText("alice"));
        login.PamHelper.Script = order => order.Kind == PamOrderKind.CheckAccount ? [new PamText(PamCalls.ErrorText, "closed today"), login.PamHelper.Result(PamCalls.PermissionDenied)] : [];
        var accepted = Assert.IsType<AuthenticationDecision.Accepted>(await login.Key(key));
        Assert.Empty(login.PamHelper.Orders); // not before everything else says yes
        var completion = await login.Complete(accepted.Principal);
        Assert.Equal(new LoginCompletion("closed today\n", "Access denied for user alice by PAM account configuration"), completion);
        Assert.StartsWith("publickey ssh-ed25519 ", login.PamHelper.Orders.Single(order => order.Kind == PamOrderKind.CheckAccount).Texts.Single(), StringComparison.Ordinal);
        await login.Forget();
        Assert.Equal(1, login.PamHelper.Disposals);
    }

    [Theory]
    [InlineData("prohibit-password", false)]
    [InlineData("yes", true)]
    public async Task Roots_passwords_count_only_where_the_configuration_says_so(string permit, bool expected)
    {
        using var login = new Login($"UsePAM yes\nPermitRootLogin {permit}");
        Assert.Equal(expected, await login.Password("whatever", "root") is AuthenticationDecision.Accepted);
        Assert.IsType<AuthenticationDecision.Denied>(await login.Password("whatever", "nobody-of-that-name"));
    }

    // A client that nobody types at sends three of them: PAM would make each wait, and pam_faillock count it against the account.
    [Theory]
    [InlineData("no", false)]
    [InlineData("yes", true)]
    public async Task PAM_is_asked_about_an_empty_password_only_where_one_is_permitted(string permit, bool asked)
    {
        using var login = new Login($"UsePAM yes\nPermitEmptyPasswords {permit}");
        Assert.Equal(asked, await login.Password("") is AuthenticationDecision.Accepted);
        Assert.Equal(asked, login.PamHelper.Orders.Any(order => order.Kind == PamOrderKind.Authenticate));
        Assert.IsType<AuthenticationDecision.Accepted>(await login.Password("whatever"));
    }

    [Fact]
    public void Without_a_helper_a_server_with_UsePAM_does_not_start()
    {
        using var login = new Login("UsePAM yes");
        var problem = Assert.Throws<SshException>(() => new AuthorizedKeysAuthenticator(new LiveSshdConfig(login.Config), login.Users, NullLoggerFactory.Instance));
        Assert.Equal(SshError.Configuration, problem.Error);
        Assert.StartsWith("UsePAM yes: ", problem.Message, StringComparison.Ordinal);
    }

    private PamLogin Login() => new(
        _ =>
        {
            _starts++;
            return Task.FromResult<IPamHelper>(_helper);
        },
        new PamSubject("adit-test", "alice", "host.example", Peer),
        NullLogger.Instance);

    private sealed class Prompter(params string[] answers) : IKeyboardInteractivePrompter
    {
        private readonly Queue<string> _answers = new(answers);

        public List<string> Shown { get; } = [];

        public Action? Asked { get; init; }

        public ValueTask<IReadOnlyList<string>> AskAsync(string name, string instruction, IReadOnlyList<KeyboardInteractivePrompt> prompts, CancellationToken cancellationToken)
        {
            Shown.AddRange(prompts.Select(prompt => $"{prompt.Text}|{(prompt.Echo ? "shown" : "hidden")}"));
            Asked?.Invoke();
            cancellationToken.ThrowIfCancellationRequested();
            return ValueTask.FromResult<IReadOnlyList<string>>(prompts.Count == 0 ? [] : [_answers.Dequeue()]);
        }
    }
}
