namespace Adit.Ssh.Wire.Messages;

/// <summary>An attempt failed, or one step of several succeeded (RFC 4252, section 5.1).</summary>
// byte         SSH_MSG_USERAUTH_FAILURE (51)
// name-list    authentications that can continue
// boolean      partial success
internal sealed record AuthFailureMessage(IReadOnlyList<string> Methods, bool PartialSuccess) : ISshMessage<AuthFailureMessage>
{
    public static MessageId Id => MessageId.UserAuthFailure;

    public static AuthFailureMessage Read(ref SshReader reader)
    {
        var message = new AuthFailureMessage(reader.ReadNameList(maxLength: 4096), reader.ReadBoolean());
        reader.EnsureEnd();
        return message;
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteNameList(Methods);
        writer.WriteBoolean(PartialSuccess);
    }
}

/// <summary>Text to show before login (RFC 4252, section 5.4).</summary>
// byte      SSH_MSG_USERAUTH_BANNER (53)
// string    message in UTF-8
// string    language tag
internal sealed record AuthBannerMessage(string Text) : ISshMessage<AuthBannerMessage>
{
    public static MessageId Id => MessageId.UserAuthBanner;

    public static AuthBannerMessage Read(ref SshReader reader)
    {
        var message = new AuthBannerMessage(reader.ReadText(maxLength: 256 * 1024));
        reader.ReadString(maxLength: 256);
        reader.EnsureEnd();
        return message;
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteString(Text);
        writer.WriteString("");
    }
}

/// <summary>The key that was asked about would do (RFC 4252, section 7).</summary>
// byte      SSH_MSG_USERAUTH_PK_OK (60)
// string    public key algorithm name from the request
// string    public key blob from the request
internal sealed record AuthPublicKeyOkMessage(string Algorithm, byte[] KeyBlob) : ISshMessage<AuthPublicKeyOkMessage>
{
    public static MessageId Id => MessageId.UserAuthMethod60;

    public static AuthPublicKeyOkMessage Read(ref SshReader reader)
    {
        var message = new AuthPublicKeyOkMessage(reader.ReadName(), reader.ReadString(maxLength: 64 * 1024).ToArray());
        reader.EnsureEnd();
        return message;
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteString(Algorithm);
        writer.WriteString(KeyBlob);
    }
}

/// <summary>The password must be changed (RFC 4252, section 8).</summary>
// byte      SSH_MSG_USERAUTH_PASSWD_CHANGEREQ (60)
// string    prompt in UTF-8
// string    language tag
internal sealed record AuthPasswordChangeMessage(string Prompt) : ISshMessage<AuthPasswordChangeMessage>
{
    public static MessageId Id => MessageId.UserAuthMethod60;

    public static AuthPasswordChangeMessage Read(ref SshReader reader)
    {
        var message = new AuthPasswordChangeMessage(reader.ReadText(maxLength: 16 * 1024));
        reader.ReadString(maxLength: 256);
        reader.EnsureEnd();
        return message;
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteString(Prompt);
        writer.WriteString("");
    }
}
