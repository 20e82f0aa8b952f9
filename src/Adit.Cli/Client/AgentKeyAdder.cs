using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Client;

/// <summary>AddKeysToAgent: gives the agent the key of a file that is about to log in, with the constraints that the option names.</summary>
internal sealed class AgentKeyAdder
{
    private readonly AddKeysToAgent _option;
    private readonly string _agentPath;
    private readonly Func<string, CancellationToken, ValueTask<string?>>? _confirm;
    private readonly LogOutput _log;

    private AgentKeyAdder(AddKeysToAgent option, string agentPath, Func<string, CancellationToken, ValueTask<string?>>? confirm, LogOutput log)
    {
        (_option, _agentPath, _confirm, _log) = (option, agentPath, confirm, log);
    }

    /// <summary>Null where keys are not to be added, or there is no agent.</summary>
    /// <param name="config">AddKeysToAgent, IdentityAgent.</param>
    /// <param name="confirm">Asks for "ask"; null where nobody is there, and then it adds none.</param>
    /// <param name="log">For ssh's lines about it.</param>
    public static AgentKeyAdder? Create(SshConfigValues config, Func<string, CancellationToken, ValueTask<string?>>? confirm, LogOutput log) =>
        config.Get(Keywords.AddKeysToAgent) is { Mode: not AddKeysMode.No } option && config.IdentityAgentSocket is { } path
            ? new AgentKeyAdder(option, path, confirm, log)
            : null;

    /// <summary>What to call with the key of a file.</summary>
    public Func<PrivateKey, CancellationToken, ValueTask> For(string path) => (key, cancellationToken) => AddAsync(path, key, cancellationToken);

    private async ValueTask AddAsync(string path, PrivateKey key, CancellationToken cancellationToken)
    {
        var comment = key.Comment.Length > 0 ? key.Comment : path;
        if (_option.Mode == AddKeysMode.Ask && !await MayAsync($"Add key {path} ({PeerText.Escape(comment, 200)}) to agent? ", cancellationToken).ConfigureAwait(false))
        {
            _log.Write(OpenSshLogLevel.Debug3, "user denied adding this key");
            return;
        }

        try
        {
            // A connection of its own: the one that logs in is bound to this session.
            await using var agent = new SshAgent(_agentPath);
            await agent.AddAsync(key, comment, new AgentConstraints(_option.Lifetime, _option.Mode == AddKeysMode.Confirm), cancellationToken: cancellationToken).ConfigureAwait(false);
            _log.Write(OpenSshLogLevel.Debug1, $"identity added to agent: {path}");
        }
        catch (SshException e)
        {
            _log.Write(OpenSshLogLevel.Debug1, $"could not add identity to agent: {path}: {e.Message}");
        }
    }

    /// <summary>ssh takes Enter alone for a yes.</summary>
    private async ValueTask<bool> MayAsync(string question, CancellationToken cancellationToken) =>
        _confirm is not null && await _confirm(question, cancellationToken).ConfigureAwait(false) is { } answer
            && (answer.Length == 0 || answer.Equals("yes", StringComparison.OrdinalIgnoreCase));
}
