using Adit.Ssh.Authentication;
using Microsoft.Extensions.Logging;
using static Adit.Ssh.Tests.Authentication.ScriptedAuthenticator;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>Counting and timing on the server (INVARIANTS 8).</summary>
public class ServerLimitTests
{
    [Fact]
    public async Task Failed_attempts_are_counted_refused_queries_included()
    {
        var script = new ServerScript(ForKeys());
        await script.StartServiceAsync();
        Assert.Equal(51, (await script.AskAsync(Scripts.None()))[0]); // the first one is free
        for (int i = 0; i < 5; i++)
            Assert.Equal(51, (await script.AskAsync(i % 2 == 0 ? Scripts.Query(TestKeys.Bob.PublicKey) : Scripts.Password("pw")))[0]);
        script.Send(Scripts.None()); // the second is not
        var error = await script.EndAsync();
        Assert.Equal(("Too many authentication failures", DisconnectReason.ProtocolError), (error.Message, error.DisconnectReason));
        Assert.Contains((LogLevel.Error, "maximum authentication attempts exceeded for alice from 192.0.2.7 port 50022 ssh2 [preauth]"), script.Log.Lines);
    }

    [Fact]
    public async Task Requests_that_never_fail_are_counted_too()
    {
        var script = new ServerScript(ForKeys(TestKeys.Alice.PublicKey), maxRequests: 20);
        await script.StartServiceAsync();
        for (int i = 0; i < 19; i++)
            Assert.Equal(60, (await script.AskAsync(Scripts.Query(TestKeys.Alice.PublicKey)))[0]);
        script.Send(Scripts.Query(TestKeys.Alice.PublicKey));
        Assert.Equal("Too many authentication failures", (await script.EndAsync()).Message);
    }

    [Fact]
    public async Task Partial_successes_are_counted_too()
    {
        var script = new ServerScript(new ScriptedAuthenticator(_ => Partial("password")), maxRequests: 20);
        await script.StartServiceAsync();
        for (int i = 0; i < 19; i++)
            Assert.Equal(Scripts.Failure("password", isPartial: true), await script.AskAsync(Scripts.Password("pw")));
        script.Send(Scripts.Password("pw"));
        await script.EndAsync();
    }

    [Fact]
    public async Task Service_requests_and_abandoned_prompts_are_counted_too()
    {
        var service = new ServerScript(ForKeys(), maxRequests: 20);
        for (int i = 0; i < 20; i++)
            Assert.Equal(6, (await service.AskAsync(Scripts.ServiceRequest()))[0]);
        service.Send(Scripts.ServiceRequest());
        await service.EndAsync();

        var prompts = new ServerScript(Prompting(), maxRequests: 21);
        await prompts.StartServiceAsync();
        for (int i = 0; i < 10; i++) // a request and a question each
            Assert.Equal(60, (await prompts.AskAsync(Scripts.KeyboardInteractive()))[0]);
        prompts.Send(Scripts.KeyboardInteractive());
        await prompts.EndAsync();
    }

    [Fact]
    public async Task A_new_request_ends_an_open_prompt_without_an_answer()
    {
        // RFC 4252, section 5.1, and RFC 4256, section 3.1.
        var script = new ServerScript(Prompting());
        await script.StartServiceAsync();
        Assert.Equal(60, (await script.AskAsync(Scripts.KeyboardInteractive()))[0]);
        Assert.Equal(Scripts.Failure("keyboard-interactive"), await script.AskAsync(Scripts.Password("pw")));
        Assert.Equal([6, 60, 51], script.Server.Sent.Select(m => (int)m.Payload[0]));
    }

    [Fact]
    public async Task Requests_sent_ahead_are_answered_one_by_one_in_order()
    {
        var script = new ServerScript(ForKeys(TestKeys.Alice.PublicKey));
        script.Send(Scripts.ServiceRequest());
        script.Send(Scripts.None());
        script.Send(Scripts.Query(TestKeys.Bob.PublicKey));
        script.Send(Scripts.Query(TestKeys.Alice.PublicKey));
        script.Send(Scripts.Signed(new SignedRequest(TestKeys.Alice, script.SessionId)));
        await script.PrincipalAsync();
        Assert.Equal([6, 51, 51, 60, 52], script.Server.Sent.Select(m => (int)m.Payload[0]));
    }

    [Fact]
    public async Task Known_and_unknown_users_get_the_same_answers_after_the_same_time()
    {
        var known = await AnswersAsync(isKnown: true);
        var unknown = await AnswersAsync(isKnown: false);
        Assert.Equal(known.Answers, unknown.Answers);
        Assert.Contains("Invalid user alice from 192.0.2.7 port 50022", unknown.Log);
        Assert.Contains("Failed password for invalid user alice from 192.0.2.7 port 50022 ssh2", unknown.Log);
        Assert.Contains("Failed password for alice from 192.0.2.7 port 50022 ssh2", known.Log);
        Assert.Single(unknown.Log, t => t.StartsWith("Invalid user", StringComparison.Ordinal));
        Assert.Equal(("authenticating user alice ", "invalid user alice "), (known.Progress, unknown.Progress));
    }

    [Fact]
    public async Task A_failure_takes_a_fixed_minimum_time()
    {
        var script = new ServerScript(ForKeys());
        await script.StartServiceAsync();
        Assert.Equal(TimeSpan.FromMilliseconds(5), await TimeAsync(script, Scripts.None()));
        Assert.Equal(TimeSpan.FromMilliseconds(5), await TimeAsync(script, Scripts.Query(TestKeys.Bob.PublicKey)));
        Assert.Equal(TimeSpan.FromMilliseconds(5), await TimeAsync(script, Scripts.Query(TestKeys.Bob.PublicKey, "ssh-rsa")));
        Assert.Equal(TimeSpan.FromMilliseconds(250), await TimeAsync(script, Scripts.Password("pw")));
    }

    [Theory]
    [InlineData(249, 250)]
    [InlineData(251, 500)]
    [InlineData(501, 1000)]
    [InlineData(7000, 7000)] // no end of waiting
    public async Task Slow_decisions_show_as_steps(int decideMilliseconds, int answerMilliseconds)
    {
        ServerScript? script = null;
        script = new ServerScript(new ScriptedAuthenticator(request =>
        {
            if (request is PasswordRequest)
                script!.Time.Advance(TimeSpan.FromMilliseconds(decideMilliseconds));
            return Deny("password");
        }));
        await script.StartServiceAsync();
        Assert.Equal(TimeSpan.FromMilliseconds(answerMilliseconds), await TimeAsync(script, Scripts.Password("pw")));
    }

    [Fact]
    public async Task The_time_a_person_takes_to_answer_is_not_waited_for_again()
    {
        var script = new ServerScript(Prompting());
        await script.StartServiceAsync();
        await script.AskAsync(Scripts.KeyboardInteractive());
        script.Time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(TimeSpan.FromMilliseconds(250), await TimeAsync(script, Scripts.InfoResponse("wrong")));
    }

    private static async Task<TimeSpan> TimeAsync(ServerScript script, byte[] request)
    {
        long start = script.Time.GetTimestamp();
        Assert.Equal(51, (await script.AskAsync(request))[0]);
        return script.Time.GetElapsedTime(start, script.Server.Sent.Last().Timestamp);
    }

    private static async Task<((string Payload, long After)[] Answers, string[] Log, string Progress)> AnswersAsync(bool isKnown)
    {
        ServerScript? script = null;
        script = new ServerScript(new ScriptedAuthenticator(request =>
        {
            // Looking up a known user takes a little longer.
            script!.Time.Advance(TimeSpan.FromMilliseconds(isKnown ? 4 : 1));
            return new AuthenticationDecision.Denied(["publickey", "password"]) { UnknownUser = !isKnown };
        }));
        await script.StartServiceAsync();
        byte[][] requests =
        [
            Scripts.None(), Scripts.Query(TestKeys.Alice.PublicKey), Scripts.Signed(new SignedRequest(TestKeys.Alice, script.SessionId)),
            Scripts.Password("pw"), Scripts.KeyboardInteractive(),
        ];
        var answers = new List<(string, long)>();
        foreach (byte[] request in requests)
        {
            long start = script.Time.GetTimestamp();
            byte[] answer = await script.AskAsync(request);
            answers.Add((Convert.ToHexString(answer), script.Server.Sent.Last().Timestamp - start));
        }
        return (answers.ToArray(), script.Log.Texts.ToArray(), script.Progress.ToString());
    }

    private static ScriptedAuthenticator Prompting() => new(async (request, ct) =>
        request is KeyboardInteractiveAuthenticationRequest k && await k.Prompt.AskAsync("", "", [new("Token: ", false)], ct) is ["right"]
            ? Accept(request)
            : Deny("keyboard-interactive"));
}
