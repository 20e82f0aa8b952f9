namespace Adit.Ssh.Wire;

/// <summary>SSH message numbers (RFC 4250 section 4.1, RFC 8308, RFC 4419, RFC 5656, OpenSSH's PROTOCOL). Numbers 30–49 and 60–79 depend on the method in use.</summary>
public enum MessageId : byte
{
    Disconnect = 1,
    Ignore = 2,
    Unimplemented = 3,
    Debug = 4,
    ServiceRequest = 5,
    ServiceAccept = 6,
    ExtInfo = 7,
    NewCompress = 8,
    KexInit = 20,
    NewKeys = 21,
    /// <summary>SSH_MSG_KEXDH_INIT, SSH_MSG_KEX_ECDH_INIT, SSH_MSG_KEX_HYBRID_INIT.</summary>
    KexInitValue = 30,
    /// <summary>SSH_MSG_KEXDH_REPLY, SSH_MSG_KEX_ECDH_REPLY; also SSH_MSG_KEX_DH_GEX_GROUP.</summary>
    KexReplyValue = 31,
    KexDhGexInit = 32,
    KexDhGexReply = 33,
    KexDhGexRequest = 34,
    UserAuthRequest = 50,
    UserAuthFailure = 51,
    UserAuthSuccess = 52,
    UserAuthBanner = 53,
    /// <summary>SSH_MSG_USERAUTH_PK_OK, SSH_MSG_USERAUTH_PASSWD_CHANGEREQ, SSH_MSG_USERAUTH_INFO_REQUEST.</summary>
    UserAuthMethod60 = 60,
    /// <summary>SSH_MSG_USERAUTH_INFO_RESPONSE.</summary>
    UserAuthMethod61 = 61,
    GlobalRequest = 80,
    RequestSuccess = 81,
    RequestFailure = 82,
    ChannelOpen = 90,
    ChannelOpenConfirmation = 91,
    ChannelOpenFailure = 92,
    ChannelWindowAdjust = 93,
    ChannelData = 94,
    ChannelExtendedData = 95,
    ChannelEof = 96,
    ChannelClose = 97,
    ChannelRequest = 98,
    ChannelSuccess = 99,
    ChannelFailure = 100,
    /// <summary>SSH2_MSG_PING (OpenSSH PROTOCOL, section 1.8).</summary>
    Ping = 192,
    /// <summary>SSH2_MSG_PONG.</summary>
    Pong = 193,
}
