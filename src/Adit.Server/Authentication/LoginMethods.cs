using Adit.Server.Configuration;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Authentication;

/// <summary>Which methods can be used next, and whether what was done is enough: the switches of sshd_config and AuthenticationMethods' chains.</summary>
internal sealed class LoginMethods
{
    public const string PublicKey = "publickey";
    public const string Password = "password";
    public const string KeyboardInteractive = "keyboard-interactive";
    public const string NoMethod = "none";

    private readonly IReadOnlyList<AuthenticationChain> _configured;
    private readonly IReadOnlyList<AuthenticationChain> _chains;
    private readonly bool _any;

    /// <param name="config">For this login.</param>
    /// <param name="passwordsPossible">Whether this process can check passwords.</param>
    public LoginMethods(SshdConfig config, bool passwordsPossible)
    {
        string[] enabled =
        [
            .. config.Get(K.PubkeyAuthentication) ? [PublicKey] : Array.Empty<string>(),
            .. passwordsPossible && config.Get(K.PasswordAuthentication) ? [Password] : Array.Empty<string>(),
            .. passwordsPossible && config.Get(K.KbdInteractiveAuthentication) ? [KeyboardInteractive] : Array.Empty<string>(),
        ];
        Enabled = enabled;
        EmptyPasswordsByNone = passwordsPossible && config.Get(K.PasswordAuthentication) && config.Get(K.PermitEmptyPasswords);
        _configured = config.Get(K.AuthenticationMethods);
        _any = _configured.Count == 0;
        _chains = [.. _configured.Where(chain => chain.Steps.All(IsPossible))];
    }

    /// <summary>Methods that are switched on.</summary>
    public IReadOnlyList<string> Enabled { get; }

    /// <summary>"none" logs an account without a password in.</summary>
    public bool EmptyPasswordsByNone { get; }

    /// <summary>False when no way leads in.</summary>
    public bool CanSucceed => _any ? Enabled.Count > 0 || EmptyPasswordsByNone : _chains.Count > 0;

    /// <summary>A line about each chain that cannot be completed.</summary>
    public IEnumerable<string> Disabled =>
        from chain in _configured
        let step = chain.Steps.FirstOrDefault(step => !IsPossible(step))
        where step is not null
        select $"Disabled method \"{step.Method}\" in AuthenticationMethods list \"{chain}\"";

    /// <summary>What a client may try next, as it is told in SSH_MSG_USERAUTH_FAILURE.</summary>
    public IReadOnlyList<string> Next(IEnumerable<string> completed)
    {
        if (_any)
        {
            return Enabled;
        }

        var heads = Remaining(completed).Where(rest => rest.Count > 0).Select(rest => rest[0].Method).ToHashSet();
        return [.. Enabled.Where(heads.Contains)];
    }

    /// <summary>Whether <paramref name="method"/> may be used now.</summary>
    public bool Allows(string method, IEnumerable<string> completed) =>
        method == NoMethod
            ? EmptyPasswordsByNone && (_any || Remaining(completed).Any(rest => rest is [{ Method: NoMethod }, ..]))
            : Next(completed).Contains(method);

    /// <summary>Whether these methods, in this order, complete a chain.</summary>
    public bool IsComplete(IEnumerable<string> completed) => _any || Remaining(completed).Any(rest => rest.Count == 0);

    /// <summary>What is left of every chain: each method done takes the first step off those chains that begin with it.</summary>
    private IEnumerable<List<AuthenticationStep>> Remaining(IEnumerable<string> completed)
    {
        var done = completed.ToArray();
        foreach (var chain in _chains)
        {
            var next = 0;
            foreach (var method in done)
            {
                if (next < chain.Steps.Count && chain.Steps[next].Method == method)
                {
                    next++;
                }
            }

            yield return [.. chain.Steps.Skip(next)];
        }
    }

    private bool IsPossible(AuthenticationStep step) => step switch
    {
        { Method: NoMethod } => EmptyPasswordsByNone,
        { Device: "bsdauth" } => false,
        _ => Enabled.Contains(step.Method),
    };
}
