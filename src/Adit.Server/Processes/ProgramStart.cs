using Adit.Server.Sftp;
using Adit.Server.Users;
using Adit.Ssh.Wire;

namespace Adit.Server.Processes;

/// <summary>A program to be started.</summary>
internal sealed record ProgramStart
{
    private const int MostLimits = 64;

    /// <summary>Its file.</summary>
    public required string File { get; init; }

    /// <summary>Its arguments, the name it is called by first.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>All of its environment.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>Its working folder; where that cannot be, the program is told on its standard error and starts in the root folder.</summary>
    public required string WorkingFolder { get; init; }

    /// <summary>Whose rights it gets; null for this process's.</summary>
    public UserIdentity? Identity { get; init; }

    /// <summary>The folder that becomes its root; null for none. Only root can.</summary>
    public string? Root { get; init; }

    /// <summary>The soft limit of open files it starts with; 0 to leave it. The runtime raises its own, and programs that close or select every possible descriptor suffer from that.</summary>
    public ulong OpenFiles { get; init; }

    /// <summary>What PAM's modules changed about the process that opened the session.</summary>
    public ProcessAttributes Attributes { get; init; } = ProcessAttributes.None;

    /// <summary>What is to run ahead of the program, with its streams, environment, folder and rights; null for nothing.</summary>
    public ProgramPrelude? Prelude { get; init; }

    /// <summary>SFTP is served in place of a program, by the helper itself, with <see cref="Arguments"/> as its options.</summary>
    public SftpStart? Sftp { get; init; }

    /// <summary>What it leaves in its process group is killed when it has ended: a short program of the server's own. Not for the helper to know.</summary>
    public bool EndsItsGroup { get; init; }

    /// <summary>Only the helper can do all of this, whoever the program is for.</summary>
    public bool NeedsHelper => Identity is not null || Root is not null || Signal is not null || !Attributes.IsNone || Prelude is not null || Sftp is not null;

    /// <summary>A signal for a process group in place of a program: what the user may send, and no more.</summary>
    public (int Group, int Signal)? Signal { get; init; }

    /// <summary>For the helper.</summary>
    public byte[] ToArray()
    {
        var writer = new SshWriter(4096);
        Write(ref writer, File);
        Write(ref writer, Arguments);
        Write(ref writer, [.. Environment.Select(variable => $"{variable.Key}={variable.Value}")]);
        Write(ref writer, WorkingFolder);
        writer.WriteBoolean(Identity is not null);
        if (Identity is { } identity)
        {
            writer.WriteUInt32(identity.Uid);
            writer.WriteUInt32(identity.Gid);
            writer.WriteUInt32((uint)identity.Groups.Count);
            foreach (var group in identity.Groups)
            {
                writer.WriteUInt32(group);
            }
        }

        Write(ref writer, Root ?? "");
        writer.WriteUInt64(OpenFiles);
        Attributes.Write(ref writer);
        writer.WriteBoolean(Prelude is not null);
        if (Prelude is { } prelude)
        {
            Write(ref writer, [prelude.Shell, prelude.UserFile ?? "", prelude.SystemFile, prelude.Input]);
        }

        writer.WriteBoolean(Sftp is not null);
        if (Sftp is { } sftp)
        {
            Write(ref writer, [sftp.User, sftp.Home, sftp.Client]);
        }

        writer.WriteUInt32((uint)(Signal?.Group ?? 0));
        writer.WriteUInt32((uint)(Signal?.Signal ?? 0));
        return writer.ToArray();
    }

    /// <summary>Throws <see cref="Adit.Ssh.SshException"/> for anything that <see cref="ToArray"/> did not write.</summary>
    public static ProgramStart Read(ReadOnlySpan<byte> data)
    {
        var reader = new SshReader(data);
        var file = OsText.Decode(reader.ReadString());
        var arguments = ReadList(ref reader);
        var variables = ReadList(ref reader);
        var folder = OsText.Decode(reader.ReadString());
        UserIdentity? identity = null;
        if (reader.ReadBoolean())
        {
            var (uid, gid) = (reader.ReadUInt32(), reader.ReadUInt32());
            var groups = new uint[Math.Min(reader.ReadUInt32(), (uint)(reader.Remaining / sizeof(uint)))];
            for (var i = 0; i < groups.Length; i++)
            {
                groups[i] = reader.ReadUInt32();
            }

            identity = new UserIdentity(uid, gid, groups);
        }

        var root = OsText.Decode(reader.ReadString());
        var files = reader.ReadUInt64();
        var attributes = ProcessAttributes.Read(ref reader, MostLimits);
        var prelude = reader.ReadBoolean() && ReadList(ref reader) is [var shell, var userFile, var systemFile, var input]
            ? new ProgramPrelude(shell, userFile.Length == 0 ? null : userFile, systemFile, input)
            : null;
        var sftp = reader.ReadBoolean() && ReadList(ref reader) is [var user, var home, var client] ? new SftpStart(user, home, client) : null;
        var (group, signal) = ((int)reader.ReadUInt32(), (int)reader.ReadUInt32());
        reader.EnsureEnd();
        return new ProgramStart
        {
            File = file,
            Arguments = arguments,
            Environment = variables.ToDictionary(text => text[..text.IndexOf('=', 1)], text => text[(text.IndexOf('=', 1) + 1)..]),
            WorkingFolder = folder,
            Identity = identity,
            Root = root.Length == 0 ? null : root,
            OpenFiles = files,
            Attributes = attributes,
            Prelude = prelude,
            Sftp = sftp,
            Signal = signal == 0 ? null : (group, signal),
        };
    }

    private static void Write(ref SshWriter writer, string text) => writer.WriteString(OsText.Encode(text));

    private static void Write(ref SshWriter writer, IReadOnlyList<string> texts)
    {
        writer.WriteUInt32((uint)texts.Count);
        foreach (var text in texts)
        {
            Write(ref writer, text);
        }
    }

    private static List<string> ReadList(ref SshReader reader)
    {
        var texts = new List<string>();
        for (var count = reader.ReadUInt32(); count > 0; count--)
        {
            texts.Add(OsText.Decode(reader.ReadString()));
        }

        return texts;
    }
}

/// <summary>What a program gets as its first three descriptors: these, or a terminal, which becomes the controlling one. They stay the caller's.</summary>
internal readonly record struct ProgramStreams(Microsoft.Win32.SafeHandles.SafeFileHandle? Input, Microsoft.Win32.SafeHandles.SafeFileHandle? Output, Microsoft.Win32.SafeHandles.SafeFileHandle? Error)
{
    /// <summary>The terminal's path; null for none.</summary>
    public string? Terminal { get; init; }
}
