using System.Text;
using Adit.Ssh.Wire;

namespace Adit.Ssh.OpenSsh;

/// <summary>Expands the %-tokens and ${VARIABLES} of configuration values (ssh_config(5), TOKENS and ENVIRONMENT VARIABLES). A value is put in as it is: nothing
/// is expanded twice, and no shell is involved.</summary>
public sealed class TokenExpander
{
    /// <summary>Expanded text may not grow beyond this many characters.</summary>
    private const int MaxLength = 1 << 20;

    private readonly Dictionary<char, string> _tokens;
    private readonly Func<string, string?> _environment;

    /// <summary>%C, made when it is asked for: a hash takes libcrypto, and loading that takes as long as the rest of a start.</summary>
    private readonly Lazy<string>? _hash;

    /// <param name="tokens">The tokens that may be used, by letter: 'h' for %h. "%%" is always there.</param>
    /// <param name="environment">Looks up a variable; null for one that is not set. By default the process's environment.</param>
    public TokenExpander(IEnumerable<KeyValuePair<char, string>> tokens, Func<string, string?>? environment = null)
    {
        _tokens = new Dictionary<char, string>(tokens);
        _environment = environment ?? Environment.GetEnvironmentVariable;
    }

    internal TokenExpander(IEnumerable<KeyValuePair<char, string>> tokens, Func<string, string?> environment, Lazy<string>? hash)
        : this(tokens, environment)
    {
        _hash = hash;
        if (hash is not null)
            _tokens['C'] = hash.IsValueCreated ? hash.Value : "";
    }

    /// <summary>The value of one token, or null when it is not among the tokens.</summary>
    public string? this[char token] => token == 'C' && _hash is not null ? _hash.Value : _tokens.GetValueOrDefault(token);

    /// <summary>An expander that knows only the tokens named in <paramref name="letters"/>.</summary>
    public TokenExpander Only(string letters) => new(_tokens.Where(token => letters.Contains(token.Key)), _environment, letters.Contains('C') ? _hash : null);

    /// <summary>The same with one token more.</summary>
    internal TokenExpander With(char token, string value) => new(_tokens.Append(KeyValuePair.Create(token, value)), _environment, _hash);

    /// <summary>Expands %-tokens and leaves '$' alone. Throws <see cref="SshException"/> (<see cref="SshError.Configuration"/>) naming an unknown token.</summary>
    public string Expand(string text) => Expand(text, percent: true, dollar: false);

    /// <summary>Expands %-tokens and ${VARIABLES}. Throws as <see cref="Expand(string)"/> does, and for a variable that is not set.</summary>
    public string ExpandWithEnvironment(string text) => Expand(text, percent: true, dollar: true);

    /// <summary>Expands ${VARIABLES} only.</summary>
    public static string ExpandEnvironment(string text, Func<string, string?>? environment = null) =>
        new TokenExpander([], environment).Expand(text, percent: false, dollar: true);

    /// <summary>Puts a home directory in place of a leading "~" or "~user". <paramref name="homeOf"/> gives it, by user name (empty for the
    /// current user), or null where there is no such user.</summary>
    public static string ExpandTilde(string path, Func<string, string?> homeOf)
    {
        if (!path.StartsWith('~'))
            return path;
        int slash = path.IndexOf('/');
        string user = slash < 0 ? path[1..] : path[1..slash];
        string? home = homeOf(user)
            ?? throw new SshException(SshError.Configuration, user.Length == 0 ? "tilde_expand: No home directory" : $"tilde_expand: No such user {PeerText.Escape(user, 100)}");
        return slash < 0 ? home : home.TrimEnd('/') + path[slash..];
    }

    private string Expand(string text, bool percent, bool dollar)
    {
        if (percent && _hash is not null && text.Contains("%C", StringComparison.Ordinal))
            _tokens['C'] = _hash.Value;
        if (!(percent && text.Contains('%')) && !(dollar && text.Contains("${", StringComparison.Ordinal)))
            return text;
        string failed = percent && dollar ? "percent_dollar_expand: failed" : percent ? "percent_expand: failed" : "dollar_expand: failed";
        var result = new StringBuilder(text.Length + 32);
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (dollar && c == '$' && i + 1 < text.Length && text[i + 1] == '{')
            {
                int close = text.IndexOf('}', i);
                if (close < 0)
                    throw Bad($"environment variable '{PeerText.Escape(text[i..], 100)}' missing closing '}}'", text, failed);
                string name = text[(i + 2)..close];
                if (name.Length == 0)
                    throw Bad("zero-length environment variable", text, failed);
                result.Append(_environment(name) ?? throw Bad($"env var ${{{PeerText.Escape(name, 100)}}} has no value", text, "invalid environment variable expansion"));
                i = close;
            }
            else if (percent && c == '%')
            {
                if (++i == text.Length)
                    throw Bad("invalid format", text, failed);
                if (text[i] == '%')
                    result.Append('%');
                else if (_tokens.TryGetValue(text[i], out string? value))
                    result.Append(value);
                else
                    throw Bad($"unknown key %{PeerText.Escape(text[i].ToString())}", text, failed);
            }
            else
            {
                result.Append(c);
            }
            if (result.Length > MaxLength)
                throw Bad("string too long", text, failed);
        }
        return result.ToString();
    }

    /// <summary>ssh's two lines: what is wrong, and what that means for whoever wanted the text expanded.</summary>
    private SshException Bad(string what, string text, string then) => new(SshError.Configuration, $"vdollar_percent_expand: {what}\n{then}")
    {
        Hint = $"In \"{PeerText.Escape(text)}\" the tokens {string.Join(' ', _tokens.Keys.Order().Select(key => $"%{key}").Prepend("%%"))} can be used; write %% for a percent sign.",
    };
}
