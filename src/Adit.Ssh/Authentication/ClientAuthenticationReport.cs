using System.Text;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Authentication;

/// <summary>Keeps what was tried and what became of it, for the hint of the error when nothing worked.</summary>
internal sealed class ClientAuthenticationReport(IMessageExchange exchange, ClientAuthenticationOptions options)
{
    private const int MaxLines = 40;

    private readonly List<(string Line, int Count)> _tried = [];
    private int _left;

    /// <summary>At least one key was shown to the server.</summary>
    public bool OfferedKey { get; set; }

    /// <summary>At least one key did its part of a login of several steps.</summary>
    public bool UsedKey { get; set; }

    /// <summary>Notes one attempt; the same again in a row only counts.</summary>
    /// <param name="line">What was tried and what became of it.</param>
    /// <param name="hint">What an exception had to say about it; its first line goes along.</param>
    public void Add(string line, string? hint = null)
    {
        if (hint is not null)
            line += " (" + PeerText.Escape(hint.Split('\n')[0], 300) + ")";
        if (_tried.Count > 0 && _tried[^1].Line == line)
            _tried[^1] = (line, _tried[^1].Count + 1);
        else if (_tried.Count < MaxLines)
            _tried.Add((line, 1));
        else
            _left++;
    }

    /// <summary>"user@host: Permission denied (publickey,password)." with everything that was tried.</summary>
    public SshException PermissionDenied(IReadOnlyList<string> methods) =>
        new(SshError.AuthenticationFailed, PeerText.Escape($"{options.UserName}@{options.Host}: Permission denied ({string.Join(',', methods)})."))
        {
            Hint = Tried(" nothing, for want of a credential that the server takes.") + Remaining(methods) + Advice(methods),
            DisconnectReason = DisconnectReason.NoMoreAuthMethodsAvailable,
        };

    /// <summary>The connection ended during login: the same error, with what was tried up to then.</summary>
    public SshException ConnectionEnded(SshException cause)
    {
        bool tooMany = cause.Message.Contains("Too many authentication failures", StringComparison.Ordinal);
        string why = tooMany
            ? "\nThe server ends a connection after a number of failed attempts, and every key offered counts. Offer only the right one (IdentitiesOnly yes with -i file)."
            : "\nThe server ended the connection before the login was complete; its log says why.";
        return new SshException(tooMany ? SshError.AuthenticationFailed : cause.Error, cause.Message, cause)
        {
            Hint = Tried(" nothing yet that it refused.") + why + (cause.Hint is null ? "" : "\n" + cause.Hint),
            DisconnectReason = cause.DisconnectReason,
        };
    }

    /// <param name="nothing">What to say where no attempt was refused.</param>
    private string Tried(string nothing)
    {
        var text = new StringBuilder();
        text.Append("Logging in as ").Append(PeerText.Escape(options.UserName, 100)).Append(" on ").Append(PeerText.Escape(options.Host, 255))
            .Append(" (").Append(exchange.RemoteAddress).Append(" port ").Append(exchange.RemotePort).Append("), tried:");
        if (_tried.Count == 0)
            text.Append(nothing);
        foreach (var (line, count) in _tried)
            text.Append("\n  ").Append(line).Append(count > 1 ? $" ({count} times)" : "");
        if (_left > 0)
            text.Append("\n  and ").Append(_left).Append(" more");
        return text.ToString();
    }

    private static string Remaining(IReadOnlyList<string> methods) => methods.Count == 0
        ? "\nThe server lets no method continue."
        : "\nThe server would still take: " + PeerText.Escape(string.Join(", ", methods)) + ".";

    private string Advice(IReadOnlyList<string> methods)
    {
        var advice = new StringBuilder();
        if (methods.Contains("publickey"))
        {
            advice.Append(
                UsedKey ? "\nThe server wants another key after those it has already taken."
                : OfferedKey ? "\nA key that was refused must stand in ~/.ssh/authorized_keys of that account (ssh-copy-id puts it there), in a file and folders only its owner may write."
                : "\nNo key was offered: name one (-i file) or load one into the agent (ssh-add; SSH_AUTH_SOCK says where the agent is).");
        }
        foreach (string method in methods)
        {
            if (!options.PreferredAuthentications.Contains(method))
                advice.Append("\nThe server takes ").Append(PeerText.Escape(method, 64)).Append(", which was not to be tried (PreferredAuthentications).");
            else if (method != "publickey" && !options.Credentials.Any(c => c.Method == method))
                advice.Append("\nThe server takes ").Append(PeerText.Escape(method, 64)).Append(", for which nothing was given (in batch mode nobody is asked).");
        }
        return advice.ToString();
    }
}
