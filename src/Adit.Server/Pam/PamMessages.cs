using Adit.Server.Processes;
using Adit.Ssh;
using Adit.Ssh.Wire;

namespace Adit.Server.Pam;

/// <summary>What the server tells its PAM helper to do. Every order but an answer is followed by reports, the last of which is a <see cref="PamResult"/>.</summary>
internal enum PamOrderKind : byte
{
    Begin = 1,
    Authenticate,
    CheckAccount,
    ChangePassword,
    OpenSession,
    Answer,
    Abort,

    /// <summary>Start a program as a child; answered by <see cref="PamStarted"/>, and in the end by <see cref="PamEnded"/>. Descriptors go with it: the program's 3 and 4, then 0 to 2 unless a
    /// terminal is named.</summary>
    StartProgram,

    /// <summary>The end of a program was heard of: its number may be another's. Not answered.</summary>
    Reap,
}

/// <summary>One order; texts go as bytes of the operating system's (<see cref="OsText"/>).</summary>
/// <param name="Kind">What to do.</param>
/// <param name="Texts">Begin: service, user, remote host, SSH_CONNECTION. CheckAccount: SSH_AUTH_INFO_0. Answer: the answer. StartProgram: the terminal or nothing, the file, its arguments.</param>
/// <param name="Flag">Authenticate: an empty password is permitted. OpenSession: no session without credentials.</param>
internal sealed record PamOrder(PamOrderKind Kind, IReadOnlyList<string> Texts, bool Flag = false)
{
    private const int MostTexts = 32, MostNumbers = 65536; // NGROUPS_MAX

    /// <summary>OpenSession: the account's groups, none where they are not to be set. StartProgram, Reap: what the program is called here.</summary>
    public IReadOnlyList<uint> Numbers { get; init; } = [];

    public PamOrder(PamOrderKind kind, params string[] texts)
        : this(kind, (IReadOnlyList<string>)texts)
    {
    }

    /// <summary>Never shows what was typed.</summary>
    public override string ToString() => $"PAM order {Kind}";

    public byte[] ToArray()
    {
        var writer = new SshWriter(256);
        writer.WriteByte((byte)Kind);
        writer.WriteBoolean(Flag);
        PamFrame.Write(ref writer, Texts);
        PamFrame.Write(ref writer, Numbers);
        return writer.ToArray();
    }

    public static PamOrder Read(ReadOnlySpan<byte> body)
    {
        var reader = new SshReader(body);
        var kind = (PamOrderKind)reader.ReadByte();
        var flag = reader.ReadBoolean();
        var texts = PamFrame.ReadTexts(ref reader, MostTexts);
        var numbers = PamFrame.ReadNumbers(ref reader, MostNumbers);
        reader.EnsureEnd();
        return new PamOrder(kind, texts, flag) { Numbers = numbers };
    }
}

/// <summary>What the helper says.</summary>
internal abstract record PamReport
{
    /// <summary>Throws <see cref="SshException"/> for anything that <see cref="ToArray"/> did not write.</summary>
    public static PamReport Read(ReadOnlySpan<byte> body)
    {
        var reader = new SshReader(body);
        PamReport report = reader.ReadByte() switch
        {
            PamText.Id => new PamText((int)reader.ReadUInt32(), OsText.Decode(reader.ReadString())),
            PamResult.Id => PamResult.ReadBody(ref reader),
            PamStarted.Id => new PamStarted(reader.ReadUInt32(), (int)reader.ReadUInt32(), (int)reader.ReadUInt32()),
            PamEnded.Id => PamEnded.ReadBody(ref reader),
            var other => throw SshException.Protocol($"the PAM helper sent a report of kind {other}"),
        };
        reader.EnsureEnd();
        return report;
    }

    public abstract byte[] ToArray();
}

/// <summary>Something that a module says, or asks: a prompt waits for <see cref="PamOrderKind.Answer"/> or <see cref="PamOrderKind.Abort"/>.</summary>
/// <param name="Style">One of <see cref="PamCalls.PromptHidden"/> and so on.</param>
/// <param name="Text">What to show.</param>
internal sealed record PamText(int Style, string Text) : PamReport
{
    public const byte Id = 1;

    public bool IsPrompt => Style is PamCalls.PromptHidden or PamCalls.PromptShown;

    public override byte[] ToArray()
    {
        var writer = new SshWriter(256);
        writer.WriteByte(Id);
        writer.WriteUInt32((uint)Style);
        writer.WriteString(OsText.Encode(Text));
        return writer.ToArray();
    }
}

/// <summary>How an order ended.</summary>
/// <param name="Code">PAM's code.</param>
/// <param name="Text">The same in PAM's words.</param>
/// <param name="Function">The function that returned it.</param>
/// <param name="UserName">Who PAM thinks logs in (PAM_USER).</param>
internal sealed record PamResult(int Code, string Text, string Function, string UserName) : PamReport
{
    public const byte Id = 2;

    private const int MostVariables = 1024, MostLimits = 64, MostGroups = 65536;

    public bool IsSuccess => Code == PamCalls.Success;

    /// <summary>Behind an opened session: what it leaves for programs.</summary>
    public PamLegacy? Legacy { get; init; }

    public override byte[] ToArray()
    {
        var writer = new SshWriter(512);
        writer.WriteByte(Id);
        writer.WriteUInt32((uint)Code);
        PamFrame.Write(ref writer, [Text, Function, UserName]);
        writer.WriteBoolean(Legacy is not null);
        if (Legacy is { } legacy)
        {
            PamFrame.Write(ref writer, legacy.Variables);
            legacy.Attributes.Write(ref writer);
            writer.WriteBoolean(legacy.Groups is not null);
            PamFrame.Write(ref writer, legacy.Groups ?? []);
        }

        return writer.ToArray();
    }

    internal static PamResult ReadBody(ref SshReader reader)
    {
        var code = (int)reader.ReadUInt32();
        if (PamFrame.ReadTexts(ref reader, 3) is not [var text, var function, var user])
        {
            throw SshException.Protocol("the PAM helper sent a short result");
        }

        return new PamResult(code, text, function, user) { Legacy = reader.ReadBoolean() ? ReadLegacy(ref reader) : null };
    }

    private static PamLegacy ReadLegacy(ref SshReader reader)
    {
        var variables = PamFrame.ReadTexts(ref reader, MostVariables);
        var attributes = ProcessAttributes.Read(ref reader, MostLimits);
        var hasGroups = reader.ReadBoolean();
        var groups = PamFrame.ReadNumbers(ref reader, MostGroups);
        return new PamLegacy(variables, attributes, hasGroups ? groups : null);
    }
}

/// <summary>A program was started, or not.</summary>
/// <param name="Number">What it was called in the order.</param>
/// <param name="ProcessId">Its process; 0 where there is none.</param>
/// <param name="Error">Why not.</param>
internal sealed record PamStarted(uint Number, int ProcessId, int Error) : PamReport
{
    public const byte Id = 3;

    public override byte[] ToArray()
    {
        var writer = new SshWriter(16);
        writer.WriteByte(Id);
        writer.WriteUInt32(Number);
        writer.WriteUInt32((uint)ProcessId);
        writer.WriteUInt32((uint)Error);
        return writer.ToArray();
    }
}

/// <summary>A program has ended; its number stays taken until <see cref="PamOrderKind.Reap"/>.</summary>
/// <param name="Number">What it was called in the order.</param>
/// <param name="Exit">How.</param>
internal sealed record PamEnded(uint Number, ProgramExit Exit) : PamReport
{
    public const byte Id = 4;

    public override byte[] ToArray()
    {
        var writer = new SshWriter(32);
        writer.WriteByte(Id);
        writer.WriteUInt32(Number);
        writer.WriteBoolean(Exit.Status is not null);
        writer.WriteUInt32((uint)(Exit.Status ?? Exit.Signal ?? 0));
        writer.WriteBoolean(Exit.CoreDumped);
        return writer.ToArray();
    }

    internal static PamEnded ReadBody(ref SshReader reader)
    {
        var number = reader.ReadUInt32();
        var hasStatus = reader.ReadBoolean();
        var value = (int)reader.ReadUInt32();
        var dumped = reader.ReadBoolean();
        return new PamEnded(number, hasStatus ? new ProgramExit(value) : value == 0 ? default : new ProgramExit(null, value, dumped));
    }
}

/// <summary>What an opened session leaves for the login's programs.</summary>
/// <param name="Variables">"NAME=VALUE" (pam_getenvlist).</param>
/// <param name="Attributes">What modules changed about the process that called them.</param>
/// <param name="Groups">The account's groups as pam_setcred left them (pam_group); null where they were not set.</param>
internal sealed record PamLegacy(IReadOnlyList<string> Variables, ProcessAttributes Attributes, IReadOnlyList<uint>? Groups = null);

/// <summary>Texts and numbers in frames, and the bound of those.</summary>
internal static class PamFrame
{
    /// <summary>Longer frames are nobody's: a message of the day fits, and an environment.</summary>
    public const int MaxLength = 1024 * 1024;

    public const int HeaderLength = sizeof(uint);

    public static void Write(ref SshWriter writer, IReadOnlyList<string> texts)
    {
        writer.WriteUInt32((uint)texts.Count);
        foreach (var text in texts)
        {
            writer.WriteString(OsText.Encode(text));
        }
    }

    public static IReadOnlyList<string> ReadTexts(ref SshReader reader, int most)
    {
        var count = reader.ReadUInt32();
        if (count > most)
        {
            throw SshException.Protocol($"{count} texts in a frame of the PAM helper");
        }

        var texts = new string[count];
        for (var i = 0; i < texts.Length; i++)
        {
            texts[i] = OsText.Decode(reader.ReadString());
        }

        return texts;
    }

    public static void Write(ref SshWriter writer, IReadOnlyList<uint> numbers)
    {
        writer.WriteUInt32((uint)numbers.Count);
        foreach (var number in numbers)
        {
            writer.WriteUInt32(number);
        }
    }

    public static IReadOnlyList<uint> ReadNumbers(ref SshReader reader, int most)
    {
        var count = reader.ReadUInt32();
        if (count > most)
        {
            throw SshException.Protocol($"{count} numbers in a frame of the PAM helper");
        }

        var numbers = new uint[Math.Min(count, (uint)(reader.Remaining / sizeof(uint)))];
        for (var i = 0; i < numbers.Length; i++)
        {
            numbers[i] = reader.ReadUInt32();
        }

        return numbers;
    }
}
