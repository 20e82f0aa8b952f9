using Adit.Server.Processes;
using Adit.Ssh;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Server.Sessions;

/// <summary>What a client asks of a session (RFC 4254, section 6), read and checked.</summary>
/// <param name="WantReply">It is to be answered.</param>
/// <param name="Size">Bytes that it holds while it waits.</param>
internal abstract record SessionRequest(bool WantReply, int Size)
{
    /// <summary>Reads one. A request that is malformed throws <see cref="SshException"/>: OpenSSH's server ends the connection as well.</summary>
    public static SessionRequest Read(string type, ReadOnlySpan<byte> data, bool wantReply)
    {
        var reader = new SshReader(data);
        SessionRequest request;
        switch (type)
        {
            case "shell":
                request = new StartRequest(SessionKind.Shell, null, wantReply, 0);
                break;
            case "exec":
                request = new StartRequest(SessionKind.Command, Text(ref reader), wantReply, data.Length);
                break;
            case "subsystem":
                request = new StartRequest(SessionKind.Subsystem, Text(ref reader), wantReply, data.Length);
                break;
            case PtyRequestData.Name:
                request = new PtyRequest(Text(ref reader), WindowSize.Read(ref reader), reader.ReadString().ToArray(), wantReply, data.Length);
                break;
            case "env":
                request = new VariableRequest(Text(ref reader), Text(ref reader), wantReply, data.Length);
                break;
            case WindowSize.Name:
                request = new WindowRequest(WindowSize.Read(ref reader), wantReply);
                break;
            case "signal":
                request = new SignalRequest(Text(ref reader), wantReply, data.Length);
                break;
            case "break":
                _ = reader.ReadUInt32(); // how long: a pseudo-terminal's has no length
                request = new BreakRequest(wantReply);
                break;
            case "eow@openssh.com":
                request = new OutputUnwantedRequest(wantReply);
                break;
            default:
                return new OtherRequest(type, data.ToArray(), wantReply);
        }

        reader.EnsureEnd();
        return request;
    }

    /// <summary>A string of C's: a NUL may only stand at its end.</summary>
    private static string Text(ref SshReader reader)
    {
        var bytes = reader.ReadString();
        if (bytes.IndexOf((byte)0) is >= 0 and var end)
        {
            bytes = end == bytes.Length - 1 ? bytes[..end] : throw SshException.Protocol("a session request has a NUL in its text");
        }

        return OsText.Decode(bytes);
    }
}

internal enum SessionKind
{
    Shell,
    Command,
    Subsystem,
}

/// <summary>shell, exec, subsystem: the one program of the session.</summary>
internal sealed record StartRequest(SessionKind Kind, string? Text, bool WantReply, int Size) : SessionRequest(WantReply, Size);

/// <summary>pty-req.</summary>
internal sealed record PtyRequest(string Term, WindowSize WindowSize, byte[] Modes, bool WantReply, int Size) : SessionRequest(WantReply, Size);

/// <summary>env.</summary>
internal sealed record VariableRequest(string Name, string Value, bool WantReply, int Size) : SessionRequest(WantReply, Size);

/// <summary>window-change.</summary>
internal sealed record WindowRequest(WindowSize WindowSize, bool WantReply) : SessionRequest(WantReply, 0);

/// <summary>signal, without "SIG".</summary>
internal sealed record SignalRequest(string Name, bool WantReply, int Size) : SessionRequest(WantReply, Size)
{
    /// <summary>So many wait already that this one is refused.</summary>
    public bool IsOneTooMany { get; init; }
}

/// <summary>break (RFC 4335).</summary>
internal sealed record BreakRequest(bool WantReply) : SessionRequest(WantReply, 0);

/// <summary>eow@openssh.com (OpenSSH's PROTOCOL, section 2.1): the client takes no more of the program's standard output.</summary>
internal sealed record OutputUnwantedRequest(bool WantReply) : SessionRequest(WantReply, 0);

/// <summary>Whatever a feature may know.</summary>
internal sealed record OtherRequest(string Type, byte[] Data, bool WantReply) : SessionRequest(WantReply, Data.Length);
