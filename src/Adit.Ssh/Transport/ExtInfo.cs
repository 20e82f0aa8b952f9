using System.Text;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Transport;

/// <summary>Builds and reads SSH_MSG_EXT_INFO (RFC 8308). Where the message is legal is <see cref="PhaseGate"/>'s business.</summary>
internal static class ExtInfo
{
    public const string ServerSignatureAlgorithms = "server-sig-algs";
    public const string HostBoundPublicKey = "publickey-hostbound@openssh.com";
    public const string Ping = "ping@openssh.com";
    public const string AgentForwarding = "agent-forward";
    public const string InAuth = "ext-info-in-auth@openssh.com";

    private static readonly byte[] VersionZero = "0"u8.ToArray();

    /// <summary>What a server sends right after its first NEWKEYS.</summary>
    /// <param name="signatureAlgorithms">What it accepts in publickey authentication, best first.</param>
    public static byte[] BuildServer(IReadOnlyList<string> signatureAlgorithms) => Build(
    [
        new(ServerSignatureAlgorithms, Encoding.ASCII.GetBytes(string.Join(',', signatureAlgorithms))),
        new(HostBoundPublicKey, VersionZero),
        new(Ping, VersionZero),
        new(AgentForwarding, VersionZero),
    ]);

    /// <summary>What a server may send during authentication to a client that announced ext-info-in-auth@openssh.com: a list that depends on the user.</summary>
    public static byte[] BuildServerInAuth(IReadOnlyList<string> signatureAlgorithms) =>
        Build([new(ServerSignatureAlgorithms, Encoding.ASCII.GetBytes(string.Join(',', signatureAlgorithms)))]);

    /// <summary>What a client sends right after its first NEWKEYS.</summary>
    public static byte[] BuildClient() => Build([new(InAuth, VersionZero)]);

    /// <summary>Reads a whole payload and lays it over what <paramref name="earlier"/> messages said: a name that comes again gets its new value.
    /// A value that makes no sense counts as not announced.</summary>
    public static PeerExtensions Parse(ReadOnlySpan<byte> payload, PeerExtensions? earlier = null)
    {
        var reader = new SshReader(payload);
        reader.ReadByte(); // the message number
        var message = ExtInfoMessage.Read(ref reader);
        var all = earlier is null ? [] : new Dictionary<string, byte[]>(earlier.All);
        foreach (var (name, value) in message.Extensions)
            all[name] = value;
        if (all.Count > ExtInfoMessage.MaxEntries)
            throw SshException.Protocol("too many extensions in SSH_MSG_EXT_INFO");

        return new PeerExtensions
        {
            ServerSignatureAlgorithms = all.TryGetValue(ServerSignatureAlgorithms, out byte[]? names) ? NameList(names) : null,
            HostBoundPublicKey = IsVersionZero(all, HostBoundPublicKey),
            Ping = IsVersionZero(all, Ping),
            AgentForwarding = IsVersionZero(all, AgentForwarding),
            ExtInfoInAuth = IsVersionZero(all, InAuth),
            All = all,
        };
    }

    private static byte[] Build(KeyValuePair<string, byte[]>[] entries)
    {
        var writer = new SshWriter(512);
        new ExtInfoMessage(entries).Write(ref writer);
        return writer.ToArray();
    }

    private static bool IsVersionZero(Dictionary<string, byte[]> all, string name) =>
        all.TryGetValue(name, out byte[]? value) && value.AsSpan().SequenceEqual(VersionZero);

    private static string[]? NameList(byte[] value) =>
        value.AsSpan().ContainsAnyExceptInRange((byte)0x21, (byte)0x7e)
            ? null
            : Encoding.ASCII.GetString(value).Split(',', StringSplitOptions.RemoveEmptyEntries);
}
