namespace Adit.Ssh.Wire.Messages;

/// <summary>pty-req (RFC 4254, section 6.2).
/// <code>string TERM | uint32 columns | uint32 rows | uint32 width in pixels | uint32 height in pixels | string encoded terminal modes</code></summary>
internal readonly record struct PtyRequestData(string Term, WindowSize Size, byte[] Modes)
{
    public const string Name = "pty-req";

    public static PtyRequestData Read(ReadOnlySpan<byte> data)
    {
        var reader = new SshReader(data);
        var read = new PtyRequestData(reader.ReadUtf8(), WindowSize.Read(ref reader), reader.ReadString().ToArray());
        reader.EnsureEnd();
        return read;
    }

    public byte[] ToArray()
    {
        var writer = new SshWriter(64 + Modes.Length);
        writer.WriteString(Term);
        Size.Write(ref writer);
        writer.WriteString(Modes);
        return writer.ToArray();
    }
}

/// <summary>The size of a terminal, as in pty-req and window-change (RFC 4254, section 6.7).
/// <code>uint32 columns | uint32 rows | uint32 width in pixels | uint32 height in pixels</code></summary>
internal readonly record struct WindowSize(uint Columns, uint Rows, uint PixelWidth, uint PixelHeight)
{
    public const string Name = "window-change";

    public static WindowSize Read(ref SshReader reader) => new(reader.ReadUInt32(), reader.ReadUInt32(), reader.ReadUInt32(), reader.ReadUInt32());

    public void Write(ref SshWriter writer)
    {
        writer.WriteUInt32(Columns);
        writer.WriteUInt32(Rows);
        writer.WriteUInt32(PixelWidth);
        writer.WriteUInt32(PixelHeight);
    }

    public byte[] ToArray()
    {
        var writer = new SshWriter(16);
        Write(ref writer);
        return writer.ToArray();
    }
}

/// <summary>exit-signal (RFC 4254, section 6.10).
/// <code>string signal name without "SIG" | boolean core dumped | string error message | string language tag</code></summary>
internal readonly record struct ExitSignalData(string Signal, bool CoreDumped, string Message)
{
    public const string Name = "exit-signal";

    public static ExitSignalData Read(ReadOnlySpan<byte> data)
    {
        var reader = new SshReader(data);
        var read = new ExitSignalData(reader.ReadUtf8(), reader.ReadBoolean(), reader.ReadUtf8());
        reader.ReadString();
        reader.EnsureEnd();
        return read;
    }

    public byte[] ToArray()
    {
        var writer = new SshWriter(64);
        writer.WriteString(Signal);
        writer.WriteBoolean(CoreDumped);
        writer.WriteString(Message);
        writer.WriteString("");
        return writer.ToArray();
    }
}
