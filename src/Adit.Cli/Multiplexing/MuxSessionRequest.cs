using Adit.Cli.Sessions;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Multiplexing;

/// <summary>NEW_SESSION: <code>string reserved · uint32 want tty · uint32 want X11 · uint32 want agent · uint32 subsystem · uint32 escape character · string TERM · string
/// command · string variable …</code></summary>
internal sealed record MuxSessionRequest
{
    public bool WantsTerminal { get; init; }

    public bool WantsX11 { get; init; }

    public bool WantsAgent { get; init; }

    /// <summary>The command is a subsystem's name.</summary>
    public bool IsSubsystem { get; init; }

    /// <summary>Null for none.</summary>
    public char? EscapeCharacter { get; init; }

    public string Term { get; init; } = "";

    /// <summary>Empty for the login shell.</summary>
    public string Command { get; init; } = "";

    /// <summary>NAME=value each.</summary>
    public IReadOnlyList<string> Variables { get; init; } = [];

    /// <summary>The session that a client would run over its own connection.</summary>
    public static MuxSessionRequest Of(SessionSettings session, SshConfigValues config) => new()
    {
        WantsTerminal = session.WantsTerminal,
        WantsX11 = config.Get(Keywords.ForwardX11),
        WantsAgent = config.Get(Keywords.ForwardAgent).Enabled,
        IsSubsystem = session.Type == SessionType.Subsystem,
        EscapeCharacter = (char?)session.Escape,
        Term = config.Variables.FirstOrDefault(variable => variable.Key == "TERM").Value is { Length: > 0 } term ? term : Environment.GetEnvironmentVariable("TERM") ?? "",
        Command = session.Command ?? "",
        Variables = [.. session.Variables.Select(variable => $"{variable.Key}={variable.Value}")],
    };

    /// <summary>Reads what follows type and request number.</summary>
    /// <exception cref="SshException"><see cref="SshError.ProtocolError"/>: it is malformed.</exception>
    public static MuxSessionRequest Read(ref SshReader reader)
    {
        _ = reader.ReadString();
        var (terminal, x11, agent, subsystem, escape) =
            (reader.ReadUInt32() != 0, reader.ReadUInt32() != 0, reader.ReadUInt32() != 0, reader.ReadUInt32() != 0, reader.ReadUInt32());
        var (term, command) = (reader.ReadText(1024), reader.ReadText(MuxProtocol.MaxPacket));
        var variables = new List<string>();
        while (!reader.AtEnd && variables.Count < MuxProtocol.MaxVariables)
        {
            variables.Add(reader.ReadText(MuxProtocol.MaxPacket));
        }

        return new MuxSessionRequest
        {
            WantsTerminal = terminal,
            WantsX11 = x11,
            WantsAgent = agent,
            IsSubsystem = subsystem,
            EscapeCharacter = escape <= 0xff ? (char)escape : null,
            Term = term,
            Command = command,
            Variables = variables,
        };
    }

    /// <summary>The whole packet.</summary>
    public byte[] ToPacket(uint request)
    {
        var writer = new SshWriter(256);
        writer.WriteUInt32((uint)MuxType.NewSession);
        writer.WriteUInt32(request);
        writer.WriteString("");
        writer.WriteUInt32(WantsTerminal ? 1u : 0);
        writer.WriteUInt32(WantsX11 ? 1u : 0);
        writer.WriteUInt32(WantsAgent ? 1u : 0);
        writer.WriteUInt32(IsSubsystem ? 1u : 0);
        writer.WriteUInt32(EscapeCharacter ?? MuxProtocol.NoEscape);
        writer.WriteString(Term);
        writer.WriteString(Command);
        foreach (var variable in Variables)
        {
            writer.WriteString(variable);
        }

        return writer.ToArray();
    }
}
