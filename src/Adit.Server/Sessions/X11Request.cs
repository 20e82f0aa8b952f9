using System.Text;
using Adit.Ssh;
using Adit.Ssh.Wire;

namespace Adit.Server.Sessions;

/// <summary>x11-req (RFC 4254, section 6.3.1): <code>boolean single connection | string protocol | string cookie in hex | uint32 screen</code></summary>
/// <param name="SingleConnection">One connection is forwarded and no more.</param>
/// <param name="Protocol">How programs show that they may: "MIT-MAGIC-COOKIE-1".</param>
/// <param name="Cookie">What they show, in hex. The client knows it for one that it made up, and puts the display's own in its place.</param>
/// <param name="Screen">The display's screen.</param>
internal sealed record X11Request(bool SingleConnection, string Protocol, string Cookie, uint Screen)
{
    public const string Name = "x11-req";

    /// <summary>XDM-AUTHORIZATION-1 is the longest name in use.</summary>
    private const int MostProtocol = 64;

    private const int MostCookie = 1024;

    /// <summary>A display tells the number of its screens in one byte.</summary>
    private const uint MostScreen = 254;

    /// <summary>Null for what must go no further: it would become a line of xauth's input, or of ~/.ssh/rc's, and what it contains is the client's choice (CVE-2016-3115).</summary>
    public static X11Request? Read(ReadOnlySpan<byte> data)
    {
        try
        {
            var reader = new SshReader(data);
            var single = reader.ReadBoolean();
            var protocol = reader.ReadString();
            var cookie = reader.ReadString();
            var screen = reader.ReadUInt32();
            reader.EnsureEnd();
            return protocol.Length is > 0 and <= MostProtocol && IsWord(protocol) && cookie.Length is > 0 and <= MostCookie && IsHex(cookie) && screen <= MostScreen
                ? new X11Request(single, Encoding.ASCII.GetString(protocol), Encoding.ASCII.GetString(cookie), screen)
                : null;
        }
        catch (SshException)
        {
            return null;
        }
    }

    /// <summary>Whether xauth takes it for one word, with no meaning but itself.</summary>
    public static bool IsWord(ReadOnlySpan<byte> text)
    {
        foreach (var letter in text)
        {
            if (!char.IsAsciiLetterOrDigit((char)letter) && letter is not ((byte)'.' or (byte)':' or (byte)'/' or (byte)'-' or (byte)'_'))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsHex(ReadOnlySpan<byte> text)
    {
        foreach (var letter in text)
        {
            if (!char.IsAsciiHexDigit((char)letter))
            {
                return false;
            }
        }

        return text.Length % 2 == 0;
    }

    /// <summary>Without the cookie.</summary>
    public override string ToString() => $"{Name} {Protocol} screen {Screen}";
}
