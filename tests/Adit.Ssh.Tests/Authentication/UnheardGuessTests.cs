using Adit.Ssh.Authentication;
using Microsoft.Extensions.Logging;
using static Adit.Ssh.Tests.Authentication.ScriptedAuthenticator;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>A guess counts though whoever made it does not wait for the answer (INVARIANTS 8).</summary>
public sealed class UnheardGuessTests : IDisposable
{
    private readonly CancellationTokenSource _connection = new();
    private readonly TaskCompletionSource _looking = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Dispose() => _connection.Dispose();

    [Fact]
    public async Task A_password_that_is_being_checked_when_the_client_hangs_up_has_failed()
    {
        var script = new ServerScript(new ScriptedAuthenticator((_, token) => LookAsync(token)), connection: _connection.Token);
        await script.StartServiceAsync();
        script.Send(Scripts.Password("guess"));
        await HangUpAsync(script);
        AssertFailed(script, "password");
    }

    [Fact]
    public async Task So_has_an_answer_to_a_prompt()
    {
        var script = new ServerScript(new ScriptedAuthenticator(async (request, token) =>
        {
            await ((KeyboardInteractiveAuthenticationRequest)request).Prompt.AskAsync("", "", [new("Password: ", false)], token);
            return await LookAsync(token);
        }), connection: _connection.Token);
        await script.StartServiceAsync();
        Assert.Equal(60, (await script.AskAsync(Scripts.KeyboardInteractive()))[0]);
        script.Send(Scripts.InfoResponse("guess"));
        await HangUpAsync(script);
        AssertFailed(script, "keyboard-interactive");
    }

    [Fact]
    public async Task A_prompt_that_nobody_answers_is_no_guess()
    {
        var script = new ServerScript(new ScriptedAuthenticator(async (request, token) =>
        {
            var answer = ((KeyboardInteractiveAuthenticationRequest)request).Prompt.AskAsync("", "", [new("Password: ", false)], token);
            _looking.SetResult();
            await answer;
            return Deny();
        }), connection: _connection.Token);
        await script.StartServiceAsync();
        Assert.Equal(60, (await script.AskAsync(Scripts.KeyboardInteractive()))[0]);
        await HangUpAsync(script);
        Assert.False(script.Progress.HasFailed);
        Assert.DoesNotContain(script.Log.Texts, text => text.StartsWith("Failed", StringComparison.Ordinal));
    }

    // What PAM says at the end of an attempt goes as a request without prompts. To begin anew in place of an answer to that must not be a way round the count.
    [Fact]
    public async Task An_attempt_that_is_given_up_where_its_end_is_told_is_counted()
    {
        var script = new ServerScript(Telling(), maxAuthTries: 3);
        await script.StartServiceAsync();
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(60, (await script.AskAsync(Scripts.KeyboardInteractive()))[0]);
            Assert.Equal(60, (await script.AskAsync(Scripts.InfoResponse("guess")))[0]);
        }
        script.Send(Scripts.KeyboardInteractive());
        Assert.Equal("Too many authentication failures", (await script.EndAsync()).Message);
        Assert.Equal(3, script.Log.Texts.Count(text => text == "Failed keyboard-interactive for alice from 192.0.2.7 port 50022 ssh2"));
    }

    [Fact]
    public async Task So_is_one_whose_client_hangs_up_there()
    {
        var script = new ServerScript(Telling());
        await script.StartServiceAsync();
        Assert.Equal(60, (await script.AskAsync(Scripts.KeyboardInteractive()))[0]);
        Assert.Equal(60, (await script.AskAsync(Scripts.InfoResponse("guess")))[0]);
        script.HangUp();
        await script.EndAsync();
        AssertFailed(script, "keyboard-interactive");
    }

    private static ScriptedAuthenticator Telling() => new(async (request, token) =>
    {
        var prompt = ((KeyboardInteractiveAuthenticationRequest)request).Prompt;
        await prompt.AskAsync("", "", [new("Password: ", false)], token);
        await prompt.AskAsync("", "no", [], token);
        return Deny("keyboard-interactive");
    });

    private static void AssertFailed(ServerScript script, string method)
    {
        Assert.Equal(SourceOffence.AuthenticationFailure, script.Progress.Offence);
        Assert.Contains((LogLevel.Information, $"Failed {method} for alice from 192.0.2.7 port 50022 ssh2"), script.Log.Lines);
    }

    private async ValueTask<AuthenticationDecision> LookAsync(CancellationToken token)
    {
        _looking.SetResult();
        await Task.Delay(Timeout.Infinite, token);
        return Deny();
    }

    private async Task HangUpAsync(ServerScript script)
    {
        await _looking.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await _connection.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(script.PrincipalAsync);
    }
}
