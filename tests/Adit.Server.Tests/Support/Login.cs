using System.Globalization;
using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Server.Pam;
using Adit.Server.Users;
using Adit.Ssh.Authentication;
using Adit.Ssh.Keys;

namespace Adit.Server.Tests.Support;

/// <summary>An account "alice" with a home of her own, and somebody who tries to log in as her.</summary>
internal sealed class Login : IDisposable
{
    private static readonly UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly List<CompletedAuthentication> _completed = [];
    private AuthorizedKeysAuthenticator? _authenticator;

    public Login(string config = "")
    {
        Config = SshdConfig.Parse(config);
        Live = new LiveSshdConfig(Config);
        var uid = IsRoot ? 54321u : new SystemUsers().ProcessUid;
        Alice = new UserAccount("alice", uid, uid, Home.Path, "/bin/sh");
        Users.ProcessUid = IsRoot ? 0 : uid;
        Users.Accounts["alice"] = Alice;
        Users.Accounts["root"] = new UserAccount("root", 0, 0, Home.Path, "/bin/sh");
        Directory.CreateDirectory(Home[".ssh"], Private);
        Own(Home.Path);
        Own(Home[".ssh"]);
    }

    public static bool IsRoot => Environment.UserName == "root";

    public TempFolder Home { get; } = new();

    public FakeUsers Users { get; } = new();

    public UserAccount Alice { get; }

    public SshdConfig Config { get; }

    public LiveSshdConfig Live { get; }

    public CapturingLogger Log { get; } = new();

    public AuthenticationPeer Peer { get; init; } = new("10.0.0.7", 50000, "10.0.0.1", 22, "SSH-2.0-test", 1);

    /// <summary>What stands for PAM with UsePAM.</summary>
    public FakePamHelper PamHelper { get; } = new();

    public TimeProvider Clock { get; init; } = TimeProvider.System;

    public static PublicKey NewKey() => PrivateKey.Generate("ed25519").PublicKey;

    /// <summary>Writes a file in alice's home, hers alone.</summary>
    public string Write(string name, params string[] lines)
    {
        var path = Home.Write(name, string.Join('\n', lines) + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Own(path);
        return path;
    }

    public string Authorize(params string[] lines) => Write(".ssh/authorized_keys", lines);

    public Task<AuthenticationDecision> Key(PublicKey key, bool verified = true, string user = "alice") =>
        Ask(new PublicKeyRequest(user, Peer, key, key.SignatureAlgorithms[0], verified));

    public Task<AuthenticationDecision> Password(string password, string user = "alice") => Ask(new PasswordRequest(user, Peer, password, null));

    public Task<AuthenticationDecision> Interactive(string answer, string user = "alice") =>
        Ask(new KeyboardInteractiveAuthenticationRequest(user, Peer, new Prompter(answer)));

    public Task<AuthenticationDecision> None(string user = "alice") => Ask(new NoneRequest(user, Peer));

    /// <summary>What a server asks once everything else has let somebody in.</summary>
    internal ValueTask<LoginCompletion?> Complete(SshPrincipal principal) => ((ILoginRules)_authenticator!).CompleteAsync(Peer, principal, CancellationToken.None);

    /// <summary>The connection is over.</summary>
    public ValueTask Forget() => ((ILoginRules)_authenticator!).ForgetAsync(Peer);

    public void Dispose() => Home.Dispose();

    /// <summary>Files that a test as root makes would be root's.</summary>
    public void Own(string path, uint? uid = null)
    {
        if (IsRoot)
        {
            Commands.Run("/bin/chown", "-h", (uid ?? Alice.Uid).ToString(CultureInfo.InvariantCulture), path);
        }
    }

    private async Task<AuthenticationDecision> Ask(UserAuthenticationRequest request)
    {
        _authenticator ??= new AuthorizedKeysAuthenticator(Live, Users, Log, Clock, null, _ => Task.FromResult<IPamHelper>(PamHelper));
        var decision = await _authenticator.AuthenticateAsync(request with { Completed = [.. _completed] }, CancellationToken.None);
        if (decision is AuthenticationDecision.Partial step && request is not PublicKeyRequest { SignatureVerified: false })
        {
            var method = request switch { PublicKeyRequest => "publickey", PasswordRequest => "password", NoneRequest => "none", _ => "keyboard-interactive" };
            _completed.Add(new CompletedAuthentication(method, (request as PublicKeyRequest)?.Key, step.State));
        }

        return decision;
    }

    private sealed class Prompter(string answer) : IKeyboardInteractivePrompter
    {
        public ValueTask<IReadOnlyList<string>> AskAsync(
            string name, string instruction, IReadOnlyList<KeyboardInteractivePrompt> prompts, CancellationToken cancellationToken)
        {
            Assert.Equal([new KeyboardInteractivePrompt("Password: ", false)], prompts);
            return ValueTask.FromResult<IReadOnlyList<string>>([answer]);
        }
    }
}
