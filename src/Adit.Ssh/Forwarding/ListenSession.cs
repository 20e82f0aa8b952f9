using Adit.Ssh.Authentication;
using Adit.Ssh.Connection;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Forwarding;

/// <summary>One logged-in connection as the owner of remote listeners.</summary>
/// <param name="connection">Its connection.</param>
/// <param name="principal">Who logged in.</param>
/// <param name="epoch">Counts logins: the later one is the newer session.</param>
/// <param name="since">When it logged in.</param>
internal sealed class ListenSession(SshConnection connection, SshPrincipal principal, long epoch, DateTimeOffset since)
{
    public SshConnection Connection => connection;

    public long Epoch => epoch;

    /// <summary>Who and from where, for logs.</summary>
    public string Name => $"user {PeerText.Escape(principal.UserName, 256)} {connection.Transport.RemoteAddress} port {connection.Transport.RemotePort}";

    /// <summary>What the owner's other sessions may learn about this one.</summary>
    public string HeldBy => $"held by another session of yours from {connection.Transport.RemoteAddress} since {since.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z";

    /// <summary>The same account by the same proof (INVARIANTS 22): the methods are the same and so is the key, or the authority and the key it certified. Without a
    /// key the methods must have asked for something: who logged in with "none" proved nothing, and nobody else's session can be told from theirs.</summary>
    public bool IsOfSamePrincipal(ListenSession other)
    {
        var (mine, theirs) = (principal, other.Principal);
        if (mine.UserName != theirs.UserName || mine.Method != theirs.Method)
            return false;
        return (mine.Key, theirs.Key) switch
        {
            (null, null) => mine.Method is not ("" or "none"),
            (Certificate certificate, Certificate another) => certificate.AuthorityKey.Equals(another.AuthorityKey) && certificate.PlainKey.Equals(another.PlainKey),
            var (key, another) => key is not null && key.Equals(another),
        };
    }

    private SshPrincipal Principal => principal;
}
