using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>Messages written by hand, field by field from the RFCs, so that the tests do not lean on the code they test.</summary>
internal static class Scripts
{
    public static byte[] ServiceRequest(string service = "ssh-userauth") => Message(5, (ref SshWriter w) => w.WriteString(service));

    public static byte[] ServiceAccept { get; } = Message(6, (ref SshWriter w) => w.WriteString("ssh-userauth"));

    public static byte[] Failure(string methods = "publickey", bool isPartial = false) => Message(51, (ref SshWriter w) =>
    {
        w.WriteString(methods);
        w.WriteBoolean(isPartial);
    });

    public static byte[] Banner(string text) => Message(53, (ref SshWriter w) =>
    {
        w.WriteString(text);
        w.WriteString("");
    });

    public static byte[] KeyOk(PublicKey key, string algorithm) => Message(60, (ref SshWriter w) =>
    {
        w.WriteString(algorithm);
        w.WriteString(key.Blob.Span);
    });

    public static byte[] InfoRequest(params string[] prompts) => Message(60, (ref SshWriter w) =>
    {
        w.WriteString("");
        w.WriteString("");
        w.WriteString("");
        w.WriteUInt32((uint)prompts.Length);
        foreach (string prompt in prompts)
        {
            w.WriteString(prompt);
            w.WriteBoolean(false);
        }
    });

    public static byte[] InfoResponse(params string[] answers) => Message(61, (ref SshWriter w) =>
    {
        w.WriteUInt32((uint)answers.Length);
        foreach (string answer in answers)
            w.WriteString(answer);
    });

    public static byte[] None(string user = "alice", string service = "ssh-connection") => Request(user, service, "none", (ref SshWriter _) => { });

    public static byte[] Password(string password, string user = "alice") => Request(user, "ssh-connection", "password", (ref SshWriter w) =>
    {
        w.WriteBoolean(false);
        w.WriteString(password);
    });

    public static byte[] KeyboardInteractive(string user = "alice") => Request(user, "ssh-connection", "keyboard-interactive", (ref SshWriter w) =>
    {
        w.WriteString("");
        w.WriteString("");
    });

    public static byte[] Query(PublicKey key, string? algorithm = null, string user = "alice") => Request(user, "ssh-connection", "publickey", (ref SshWriter w) =>
    {
        w.WriteBoolean(false);
        w.WriteString(algorithm ?? key.KeyType);
        w.WriteString(key.Blob.Span);
    });

    /// <summary>A signed public-key request. What is signed can differ from what is sent, field by field: a null takes what is sent.</summary>
    public static byte[] Signed(SignedRequest r)
    {
        string algorithm = r.Algorithm ?? r.Key.PublicKey.KeyType;
        var covered = new SshWriter(512);
        covered.WriteString(r.SessionId);
        Head(ref covered, r.SignedUser ?? r.User, r.SignedService ?? r.Service, r.SignedMethod ?? r.Method);
        covered.WriteBoolean(r.SignedFlag);
        covered.WriteString(r.SignedAlgorithm ?? algorithm);
        covered.WriteString((r.SignedKey ?? r.Blob ?? r.Key.PublicKey).Blob.Span);
        if (r.HostKey is not null)
            covered.WriteString((r.SignedHostKey ?? r.HostKey).Blob.Span);
        byte[] signature = r.Key.Sign(r.SignatureAlgorithm ?? algorithm, covered.Written);

        return Request(r.User, r.Service, r.Method, (ref SshWriter w) =>
        {
            w.WriteBoolean(true);
            w.WriteString(algorithm);
            w.WriteString((r.Blob ?? r.Key.PublicKey).Blob.Span);
            if (r.HostKey is not null)
                w.WriteString(r.HostKey.Blob.Span);
            w.WriteString(r.Signature?.Invoke(signature) ?? signature);
        });
    }

    public static byte[] Request(string user, string service, string method, Fields fields)
    {
        var writer = new SshWriter(512);
        Head(ref writer, user, service, method);
        fields(ref writer);
        return writer.ToArray();
    }

    public static byte[] Message(byte number, Fields fields)
    {
        var writer = new SshWriter(256);
        writer.WriteByte(number);
        fields(ref writer);
        return writer.ToArray();
    }

    public static string MethodOf(byte[] request)
    {
        var reader = new SshReader(request.AsSpan(1));
        reader.ReadText();
        reader.ReadText();
        return reader.ReadText();
    }

    public delegate void Fields(ref SshWriter writer);

    private static void Head(ref SshWriter writer, string user, string service, string method)
    {
        writer.WriteByte(50);
        writer.WriteString(user);
        writer.WriteString(service);
        writer.WriteString(method);
    }
}

/// <summary>See <see cref="Scripts.Signed"/>.</summary>
internal sealed record SignedRequest(PrivateKey Key, byte[] SessionId)
{
    public string User { get; init; } = "alice";

    public string Service { get; init; } = "ssh-connection";

    public string Method { get; init; } = "publickey";

    public string? Algorithm { get; init; }

    public PublicKey? Blob { get; init; }

    public PublicKey? HostKey { get; init; }

    public string? SignedUser { get; init; }

    public string? SignedService { get; init; }

    public string? SignedMethod { get; init; }

    public bool SignedFlag { get; init; } = true;

    public string? SignedAlgorithm { get; init; }

    public PublicKey? SignedKey { get; init; }

    public PublicKey? SignedHostKey { get; init; }

    /// <summary>The algorithm the signature is really made with.</summary>
    public string? SignatureAlgorithm { get; init; }

    /// <summary>Changes the signature after it was made.</summary>
    public Func<byte[], byte[]>? Signature { get; init; }
}
