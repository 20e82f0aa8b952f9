using Adit.Ssh.Wire;

namespace Adit.Ssh.Transport;

/// <summary>What the receive loop does with a packet.</summary>
internal enum GateVerdict
{
    /// <summary>Legal now: dispatch it.</summary>
    Accept,
    /// <summary>Drop it without an answer.</summary>
    Ignore,
    /// <summary>An unassigned number: answer SSH_MSG_UNIMPLEMENTED with its sequence number.</summary>
    Unimplemented,
    /// <summary>Illegal now: end the connection with <see cref="PhaseGate.Violation"/>.</summary>
    Disconnect,
}

/// <summary>How far a connection has come.</summary>
internal enum SshPhase
{
    /// <summary>The first key exchange, until the peer's NEWKEYS.</summary>
    KeyExchange,
    /// <summary>Service request and user authentication, until USERAUTH_SUCCESS.</summary>
    Authentication,
    /// <summary>Logged in.</summary>
    Connection,
}

/// <summary>The one check of which message numbers are legal from the peer now. The receive loop asks it once for every packet, in the order of
/// arrival, before anything looks into the packet. What no table allows ends the connection.
/// <para>Only the receive loop calls <see cref="Check"/>; <see cref="EnterConnection"/> and <see cref="AuthenticationRequestSent"/> may come from another thread.</para></summary>
internal sealed class PhaseGate
{
    private readonly PhaseTables _tables;
    private volatile PhaseTable _normal; // outside of key exchanges
    private PhaseTable? _exchange; // during one; null outside
    private volatile bool _requestSent;
    private volatile bool _extInfoInAuth;
    private volatile SshPhase _phase = SshPhase.KeyExchange;
    private bool _firstNewKeysSeen;
    private bool _packetsBeforeKexInit;
    private bool _guessMayCome;
    private bool _extInfoIsNext;
    private bool _successIsNext;
    private int _laterExtInfos;

    public PhaseGate(SshRole role)
    {
        Role = role;
        _tables = PhaseTables.For(role);
        _normal = _tables.Authentication;
        _exchange = _tables.BeforeKexInit;
    }

    /// <summary>A gate for a connection that was never keyed here: the connection protocol's messages and no others.</summary>
    public static PhaseGate Bare(SshRole role)
    {
        var gate = new PhaseGate(role) { _phase = SshPhase.Connection };
        (gate._exchange, gate._normal) = (null, gate._tables.Bare);
        return gate;
    }

    public SshRole Role { get; }

    public SshPhase Phase => _phase;

    /// <summary>True from the peer's KEXINIT until its NEWKEYS.</summary>
    public bool InPeerExchange => _exchange is not null && _exchange != _tables.BeforeKexInit;

    /// <summary>True when the peer's first KEXINIT was its very first packet, as strict key exchange demands.</summary>
    public bool KexInitWasFirst => !_packetsBeforeKexInit;

    /// <summary>Judges one message number. Called exactly once per packet received.</summary>
    public GateVerdict Check(byte id)
    {
        var exchange = _exchange;
        if (exchange is not null)
            return CheckInExchange(exchange, id);
        var table = _normal;
        return table == _tables.Connection || table == _tables.Bare ? table[id] : CheckInAuthentication(table, id);
    }

    /// <summary>The error that goes with <see cref="GateVerdict.Disconnect"/>; it names the number and the phase.</summary>
    public SshException Violation(byte id)
    {
        string message = this switch
        {
            { _exchange: { } table } when table == _tables.StrictExchange => $"strict KEX violation: unexpected packet type {id}",
            { InPeerExchange: true } when id >= 50 => $"non-transport message {id} received from peer during key exchange",
            { _exchange: not null } => $"unexpected message {id} during key exchange",
            { Phase: SshPhase.Authentication } when id >= 80 => $"message {id} received before authentication",
            { Phase: SshPhase.Authentication } => $"unexpected message {id} during authentication",
            _ => $"unexpected message {id}",
        };
        return SshException.Protocol(message);
    }

    /// <summary>The peer's KEXINIT was accepted. <paramref name="strict"/>: both sides offered strict key exchange in their first one.</summary>
    public void PeerKexInit(bool strict)
    {
        _exchange = _firstNewKeysSeen ? _tables.Rekey
            : strict ? _tables.StrictExchange
            : _tables.Exchange;
    }

    /// <summary>The peer announced a guess that turned out wrong: its next packet may be any key exchange message, and is thrown away.</summary>
    public void WrongGuessFollows() => _guessMayCome = true;

    /// <summary>The peer's NEWKEYS was accepted: its key exchange is over.</summary>
    public void PeerNewKeys()
    {
        _exchange = null;
        _guessMayCome = false;
        if (_firstNewKeysSeen)
            return;
        _firstNewKeysSeen = true;
        _extInfoIsNext = true;
        _phase = SshPhase.Authentication;
    }

    /// <summary>Client: a SSH_MSG_USERAUTH_REQUEST goes out, so answers to one are legal from here on. Call it before the request is sent.</summary>
    public void AuthenticationRequestSent() => _requestSent = true;

    /// <summary>Client: ext-info-in-auth@openssh.com was announced, so one SSH_MSG_EXT_INFO may come during authentication.</summary>
    public void ExtInfoInAuthAnnounced() => _extInfoInAuth = true;

    /// <summary>Server: login succeeded. Call it before SSH_MSG_USERAUTH_SUCCESS is sent. A client's gate opens when that message arrives.</summary>
    public void EnterConnection()
    {
        if (_phase != SshPhase.Authentication)
            throw new InvalidOperationException("the connection phase follows authentication and nothing else");
        _phase = SshPhase.Connection;
        _normal = _tables.Connection;
    }

    private GateVerdict CheckInExchange(PhaseTable table, byte id)
    {
        if (table == _tables.BeforeKexInit && id != (byte)MessageId.KexInit)
            _packetsBeforeKexInit = true;
        if (_guessMayCome && id is >= 30 and <= 49)
        {
            _guessMayCome = false;
            return GateVerdict.Accept;
        }
        return table[id];
    }

    private GateVerdict CheckInAuthentication(PhaseTable table, byte id)
    {
        bool extInfoWasNext = _extInfoIsNext;
        _extInfoIsNext = false;
        if (_successIsNext && id is not ((byte)MessageId.UserAuthSuccess or (byte)MessageId.Disconnect))
            return GateVerdict.Disconnect;
        if (id == (byte)MessageId.ExtInfo)
            return extInfoWasNext || AllowLaterExtInfo() ? GateVerdict.Accept : GateVerdict.Disconnect;

        var verdict = table[id];
        if (Role == SshRole.Server || verdict != GateVerdict.Accept)
            return verdict;
        // A client that asked for nothing can have been granted nothing.
        if ((MessageId)id is MessageId.UserAuthFailure or MessageId.UserAuthSuccess or MessageId.UserAuthMethod60 && !_requestSent)
            return GateVerdict.Disconnect;
        if (id == (byte)MessageId.UserAuthSuccess)
            EnterConnection();
        return verdict;
    }

    /// <summary>A server may send a second SSH_MSG_EXT_INFO as the packet before USERAUTH_SUCCESS (RFC 8308, section 2.4), and one more before its
    /// first answer when the client announced ext-info-in-auth@openssh.com.</summary>
    private bool AllowLaterExtInfo()
    {
        if (Role == SshRole.Server || !_requestSent)
            return false;
        _laterExtInfos++;
        bool inAuth = _extInfoInAuth && _laterExtInfos == 1;
        _successIsNext = !inAuth;
        return _laterExtInfos <= (_extInfoInAuth ? 2 : 1);
    }
}
