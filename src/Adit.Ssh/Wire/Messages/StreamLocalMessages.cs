namespace Adit.Ssh.Wire.Messages;

/// <summary>What a direct-streamlocal@openssh.com channel open carries (OpenSSH PROTOCOL, section 2.4). In the two reserved fields OpenSSH puts who connected.
/// <code>string socket path | string reserved | uint32 reserved</code></summary>
internal readonly record struct DirectStreamLocalData(string Path, string OriginatorHost, uint OriginatorPort)
{
    public const string ChannelType = "direct-streamlocal@openssh.com";

    public static DirectStreamLocalData Read(ReadOnlySpan<byte> data)
    {
        var reader = new SshReader(data);
        var result = new DirectStreamLocalData(StreamLocalForwardData.ReadPath(ref reader), reader.ReadText(1025), reader.ReadUInt32());
        reader.EnsureEnd();
        return result;
    }

    public byte[] ToArray()
    {
        var writer = new SshWriter(96);
        writer.WriteString(Path);
        writer.WriteString(OriginatorHost);
        writer.WriteUInt32(OriginatorPort);
        return writer.ToArray();
    }
}

/// <summary>What a forwarded-streamlocal@openssh.com channel open carries (OpenSSH PROTOCOL, section 2.4): the path as it was requested.
/// <code>string socket path | string reserved</code></summary>
internal readonly record struct ForwardedStreamLocalData(string Path)
{
    public const string ChannelType = "forwarded-streamlocal@openssh.com";

    public static ForwardedStreamLocalData Read(ReadOnlySpan<byte> data)
    {
        var reader = new SshReader(data);
        var result = new ForwardedStreamLocalData(StreamLocalForwardData.ReadPath(ref reader));
        reader.ReadString();
        reader.EnsureEnd();
        return result;
    }

    public byte[] ToArray()
    {
        var writer = new SshWriter(64);
        writer.WriteString(Path);
        writer.WriteString("");
        return writer.ToArray();
    }
}

/// <summary>What the global requests streamlocal-forward@openssh.com and cancel-streamlocal-forward@openssh.com carry (OpenSSH PROTOCOL, section 2.4).
/// <code>string socket path</code></summary>
internal readonly record struct StreamLocalForwardData(string Path)
{
    public const string Listen = "streamlocal-forward@openssh.com";
    public const string Cancel = "cancel-streamlocal-forward@openssh.com";

    public static StreamLocalForwardData Read(ReadOnlySpan<byte> data)
    {
        var reader = new SshReader(data);
        var result = new StreamLocalForwardData(ReadPath(ref reader));
        reader.EnsureEnd();
        return result;
    }

    public byte[] ToArray()
    {
        var writer = new SshWriter(64);
        writer.WriteString(Path);
        return writer.ToArray();
    }

    /// <summary>A path that is no UTF-8 must not become another one by replacing what is wrong in it.</summary>
    internal static string ReadPath(ref SshReader reader) => reader.ReadUtf8(1025);
}
