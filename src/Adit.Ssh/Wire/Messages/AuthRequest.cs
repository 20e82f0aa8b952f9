using System.Text;

namespace Adit.Ssh.Wire.Messages;

/// <summary>What every authentication request starts with (RFC 4252, section 5). The fields of the method follow.</summary>
// byte      SSH_MSG_USERAUTH_REQUEST (50)
// string    user name in ISO-10646 UTF-8
// string    service name in US-ASCII
// string    method name in US-ASCII
// ....      method specific fields
internal readonly record struct AuthRequestHeader(string UserName, string Service, string Method)
{
    /// <summary>Longest user name taken, in bytes.</summary>
    public const int MaxUserNameLength = 255;

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>Reads up to the method's own fields.</summary>
    public static AuthRequestHeader Read(ref SshReader reader)
    {
        string userName = ReadUserName(reader.ReadString());
        return new AuthRequestHeader(userName, reader.ReadName(), reader.ReadName());
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(MessageId.UserAuthRequest);
        writer.WriteString(UserName);
        writer.WriteString(Service);
        writer.WriteString(Method);
    }

    private static string ReadUserName(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MaxUserNameLength)
            throw Illegal($"user name of {bytes.Length} bytes is longer than {MaxUserNameLength}");
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw Illegal("user name is not valid UTF-8");
        }
    }

    private static SshException Illegal(string message) =>
        new(SshError.ProtocolError, message) { DisconnectReason = DisconnectReason.IllegalUserName };
}

/// <summary>The fields of "publickey" (RFC 4252, section 7) and of "publickey-hostbound-v00@openssh.com" (OpenSSH's PROTOCOL, section 3.1).</summary>
// boolean   has signature
// string    public key algorithm name
// string    public key blob
// string    server host key blob      only in publickey-hostbound-v00@openssh.com
// string    signature                 only if has signature
internal readonly record struct AuthPublicKeyFields(bool HasSignature, string Algorithm, byte[] KeyBlob, byte[]? HostKeyBlob, byte[]? Signature)
{
    public const string MethodName = "publickey";
    public const string HostBoundMethodName = "publickey-hostbound-v00@openssh.com";

    private const int MaxBlobLength = 64 * 1024;

    /// <summary>Reads the fields; <paramref name="unsignedRest"/> is how many bytes were left where the signature starts, so that a
    /// server can sign-check exactly the bytes it received.</summary>
    public static AuthPublicKeyFields Read(ref SshReader reader, bool hostBound, out int unsignedRest)
    {
        bool hasSignature = reader.ReadBoolean();
        string algorithm = reader.ReadName();
        byte[] keyBlob = reader.ReadString(MaxBlobLength).ToArray();
        byte[]? hostKeyBlob = hostBound ? reader.ReadString(MaxBlobLength).ToArray() : null;
        unsignedRest = reader.Remaining;
        byte[]? signature = hasSignature ? reader.ReadString(MaxBlobLength).ToArray() : null;
        reader.EnsureEnd();
        return new AuthPublicKeyFields(hasSignature, algorithm, keyBlob, hostKeyBlob, signature);
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteBoolean(HasSignature);
        writer.WriteString(Algorithm);
        writer.WriteString(KeyBlob);
        if (HostKeyBlob is not null)
            writer.WriteString(HostKeyBlob);
        if (Signature is not null)
            writer.WriteString(Signature);
    }
}

/// <summary>The fields of "password" (RFC 4252, section 8).</summary>
// boolean   a change of password
// string    password in UTF-8 (the old one when changing)
// string    new password in UTF-8      only when changing
internal readonly record struct AuthPasswordFields(string Password, string? NewPassword)
{
    public const string MethodName = "password";

    /// <summary>Longest password taken, in bytes.</summary>
    public const int MaxPasswordLength = 1024;

    public override string ToString() => "password fields";

    public static AuthPasswordFields Read(ref SshReader reader)
    {
        bool change = reader.ReadBoolean();
        string password = reader.ReadText(MaxPasswordLength);
        string? newPassword = change ? reader.ReadText(MaxPasswordLength) : null;
        reader.EnsureEnd();
        return new AuthPasswordFields(password, newPassword);
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteBoolean(NewPassword is not null);
        writer.WriteString(Password);
        if (NewPassword is not null)
            writer.WriteString(NewPassword);
    }
}

/// <summary>The fields of "keyboard-interactive" (RFC 4256, section 3.1).</summary>
// string    language tag (deprecated, empty)
// string    submethods, comma-separated
internal readonly record struct AuthKeyboardInteractiveFields(string SubMethods)
{
    public const string MethodName = "keyboard-interactive";

    public static AuthKeyboardInteractiveFields Read(ref SshReader reader)
    {
        reader.ReadString(maxLength: 256);
        string subMethods = reader.ReadText(maxLength: 1024);
        reader.EnsureEnd();
        return new AuthKeyboardInteractiveFields(subMethods);
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteString("");
        writer.WriteString(SubMethods);
    }
}
