namespace Adit.Ssh.Keys;

/// <summary>What can be wrong with a key file, in OpenSSH's words; the detail goes into the hint.</summary>
internal static class KeyFileError
{
    public static SshException InvalidFormat(string detail, Exception? inner = null) =>
        new(SshError.InvalidKey, "invalid format", inner) { Hint = detail };

    public static SshException Unsupported(string detail) =>
        new(SshError.InvalidKey, "unknown or unsupported key type") { Hint = detail };

    public static SshException WrongPassphrase(string detail) =>
        new(SshError.WrongPassphrase, "incorrect passphrase supplied to decrypt private key") { Hint = detail };

    /// <summary>Puts the file's name around a reason: <c>Load key "name": reason</c>.</summary>
    public static SshException Load(string name, SshException reason)
    {
        string text = reason.Message;
        string? detail = reason.Hint;
        if (detail is null && reason.Error == SshError.InvalidKey)
            (text, detail) = ("invalid format", text);
        return new SshException(reason.Error, $"Load key \"{name}\": {text}", reason)
        {
            Hint = detail is null ? null : $"{name}: {detail}.",
        };
    }

    /// <summary>A file that cannot be read at all.</summary>
    public static SshException Unreadable(string name, Exception e)
    {
        string reason = e switch
        {
            FileNotFoundException or DirectoryNotFoundException => "No such file or directory",
            UnauthorizedAccessException => Directory.Exists(name) ? "Is a directory" : "Permission denied",
            _ => e.Message,
        };
        return new SshException(SshError.FileAccess, $"Load key \"{name}\": {reason}", e)
        {
            Hint = reason switch
            {
                "No such file or directory" => $"There is no file {name} on this machine; make a key with: adit keygen -f {name}",
                "Permission denied" => $"The user {Environment.UserName} may not read {name}; see its owner and mode with: ls -l {name}",
                _ => null,
            },
        };
    }
}
