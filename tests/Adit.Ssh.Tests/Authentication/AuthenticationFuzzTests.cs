using Adit.Ssh.Authentication;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using static Adit.Ssh.Tests.Authentication.ScriptedAuthenticator;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>INVARIANTS 12 and 30: whatever bytes come, the answer is a failure or the end of the connection; never another exception, never a login.</summary>
public class AuthenticationFuzzTests
{
    private static readonly byte[] SessionId = Enumerable.Range(0, 32).Select(i => (byte)i).ToArray();

    public static TheoryData<string> RequestNames => new(Requests().Keys);

    public static TheoryData<string> ReplyNames => new(Replies().Keys);

    [Theory]
    [MemberData(nameof(RequestNames))]
    public async Task Requests_cut_short_or_made_longer(string name)
    {
        byte[] request = Requests()[name];
        for (int length = 1; length < request.Length; length++)
            await SendAsync(request[..length]);
        await SendAsync([.. request, 0]);
    }

    [Theory]
    [MemberData(nameof(RequestNames))]
    public async Task Requests_with_bytes_changed(string name)
    {
        var random = new Random(20_251);
        byte[] request = Requests()[name];
        for (int i = 0; i < 400; i++)
            await SendAsync(Mutate(request, random));
    }

    [Theory]
    [MemberData(nameof(ReplyNames))]
    public void Replies_cut_short_or_changed(string name)
    {
        var random = new Random(20_252);
        byte[] reply = Replies()[name];
        for (int length = 1; length < reply.Length; length++)
            Parse(reply[..length]);
        for (int i = 0; i < 2000; i++)
            Parse(Mutate(reply, random));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Counts_and_lengths_are_checked_before_memory_is_taken(int position)
    {
        // A length of almost 4 GiB in each place of an INFO_REQUEST and an INFO_RESPONSE.
        var writer = new SshWriter(64);
        for (int i = 0; i < position; i++)
            writer.WriteString("");
        writer.WriteUInt32(0xfffffff0);
        byte[] body = writer.ToArray();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Parse([60, .. body]);
        Parse([61, .. body]);
        Parse([53, .. body]);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 256 * 1024);
    }

    private static async Task SendAsync(byte[] request)
    {
        var authenticator = new ScriptedAuthenticator(async (r, ct) => r switch
        {
            PublicKeyRequest { UserName: "alice" } k when k.Key.Equals(TestKeys.Alice.PublicKey) => Accept(r),
            KeyboardInteractiveAuthenticationRequest k => await k.Prompt.AskAsync("", "", [], ct) is ["x"] ? Accept(r) : Deny("publickey"),
            _ => Deny("publickey"),
        });
        var script = new ServerScript(authenticator);
        await script.StartServiceAsync();
        script.Send(request);
        script.HangUp(); // the server sees the request first
        await script.EndAsync(); // an SshException and no login, even when the mutation left the message valid
        Assert.DoesNotContain(script.Log.Texts, t => t.Contains("authenticator failed", StringComparison.Ordinal));
    }

    private static byte[] Mutate(byte[] source, Random random)
    {
        byte[] copy = [.. source];
        for (int n = random.Next(1, 4); n > 0; n--)
        {
            int at = random.Next(1, copy.Length);
            copy[at] = random.Next(3) switch
            {
                0 => (byte)random.Next(256),
                1 => (byte)(copy[at] ^ (1 << random.Next(8))),
                _ => random.Next(2) == 0 ? (byte)0 : (byte)0xff,
            };
        }
        return copy;
    }

    private static void Parse(byte[] message)
    {
        Try(message, (ref SshReader r) => AuthFailureMessage.Read(ref r));
        Try(message, (ref SshReader r) => AuthBannerMessage.Read(ref r));
        Try(message, (ref SshReader r) => AuthPublicKeyOkMessage.Read(ref r));
        Try(message, (ref SshReader r) => AuthPasswordChangeMessage.Read(ref r));
        Try(message, (ref SshReader r) => AuthInfoRequestMessage.Read(ref r));
        Try(message, (ref SshReader r) => AuthInfoResponseMessage.Read(ref r));
        Try(message, (ref SshReader r) => ServiceAcceptMessage.Read(ref r));
        Try(message, (ref SshReader r) => ServiceRequestMessage.Read(ref r));

        static void Try(byte[] message, Reader reader)
        {
            try
            {
                var r = new SshReader(message.AsSpan(1));
                reader(ref r);
            }
            catch (SshException e)
            {
                Assert.Equal(SshError.ProtocolError, e.Error);
            }
        }
    }

    private delegate void Reader(ref SshReader reader);

    private static Dictionary<string, byte[]> Requests() => new()
    {
        ["none"] = Scripts.None(),
        ["query"] = Scripts.Query(TestKeys.Alice.PublicKey),
        // Signed for a session that is not this one, so that no mutation may log in.
        ["signed"] = Scripts.Signed(new SignedRequest(TestKeys.Alice, new byte[32])),
        ["host-bound"] = Scripts.Signed(
            new SignedRequest(TestKeys.Alice, [.. SessionId.Reverse()]) { Method = "publickey-hostbound-v00@openssh.com", HostKey = TestKeys.Host.PublicKey }),
        ["password"] = Scripts.Password("pw"),
        ["keyboard-interactive"] = Scripts.KeyboardInteractive(),
    };

    private static Dictionary<string, byte[]> Replies() => new()
    {
        ["failure"] = Scripts.Failure("publickey,password", isPartial: true),
        ["banner"] = Scripts.Banner("Hello\r\n"),
        ["key ok"] = Scripts.KeyOk(TestKeys.Alice.PublicKey, "ssh-ed25519"),
        ["info request"] = Scripts.InfoRequest("Password: ", "Token: "),
        ["info response"] = Scripts.InfoResponse("one", "two"),
        ["service"] = Scripts.ServiceAccept,
    };
}
