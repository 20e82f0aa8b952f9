using Adit.Server.Configuration;
using Adit.Server.Users;
using Adit.Ssh.Keys;

namespace Adit.Server.Authentication;

/// <summary>Whether a key lets somebody in, and with which rights.</summary>
/// <param name="Account">Whose account.</param>
/// <param name="Config">The configuration for this login.</param>
/// <param name="Key">The key or certificate.</param>
/// <param name="Origin">Where the login comes from.</param>
internal sealed record KeyQuestion(UserAccount Account, SshdConfig Config, PublicKey Key, LoginOrigin Origin)
{
    /// <summary>"address port address port", the client's first.</summary>
    public string Connection { get; init; } = "";

    /// <summary>What programs said that the configuration names.</summary>
    public CommandAnswers Answers { get; init; } = CommandAnswers.None;

    /// <summary>Nothing is logged about a key that is accepted: it is about to be asked for again, or was.</summary>
    public bool IsQuiet { get; init; }

    /// <summary>What the client may be told once it is logged in: why a line that has its key did not count.</summary>
    public LoginNotes Notes { get; init; } = new();
}

/// <summary>What programs printed; null for one that did not run, or failed.</summary>
/// <param name="Keys">AuthorizedKeysCommand's lines.</param>
/// <param name="Principals">AuthorizedPrincipalsCommand's lines.</param>
internal sealed record CommandAnswers(byte[]? Keys, byte[]? Principals)
{
    public static CommandAnswers None { get; } = new(null, null);
}

/// <summary>Lines for the client's eyes, kept until it has logged in: before that they would tell a stranger what the server knows.</summary>
internal sealed class LoginNotes
{
    private const int MaxNotes = 32;

    private readonly List<string> _notes = [];

    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_notes)
            {
                return [.. _notes];
            }
        }
    }

    /// <summary>A key is asked about twice, and says the same twice.</summary>
    public void Add(string note)
    {
        lock (_notes)
        {
            if (_notes.Count < MaxNotes && !_notes.Contains(note))
            {
                _notes.Add(note);
            }
        }
    }
}
