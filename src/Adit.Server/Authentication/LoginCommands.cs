using System.Globalization;
using System.Runtime.InteropServices;
using Adit.Server.Configuration;
using Adit.Server.Sessions;
using Adit.Server.Users;
using Adit.Ssh;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;
using L = Adit.Server.Configuration.LoginKeywords;

namespace Adit.Server.Authentication;

/// <summary>AuthorizedKeysCommand and AuthorizedPrincipalsCommand: programs that are asked about a key, run as the user that the configuration names for it.</summary>
/// <param name="programs">Runs them; null where none can be run.</param>
/// <param name="users">For that user.</param>
/// <param name="logger">Hears why one did not run, or failed: then it has said nothing.</param>
internal sealed class LoginCommands(IUserPrograms? programs, IUserDatabase users, ILogger logger)
{
    private const ushort GroupOrOthersWrite = 0x12; // 022

    public static bool HasKeys(SshdConfig config) => Has(config.Get(L.AuthorizedKeysCommand));

    public static bool HasPrincipals(SshdConfig config) => Has(config.Get(L.AuthorizedPrincipalsCommand));

    /// <summary>Lines of authorized_keys; null where there are none to be had.</summary>
    public Task<byte[]?> KeysAsync(KeyQuestion question, CancellationToken cancellationToken) =>
        RunAsync("AuthorizedKeysCommand", question.Config.Get(L.AuthorizedKeysCommand), question.Config.Get(L.AuthorizedKeysCommandUser), Tokens(question), cancellationToken);

    /// <summary>Names that stand for the user; null where there are none to be had.</summary>
    public Task<byte[]?> PrincipalsAsync(KeyQuestion question, Certificate certificate, CancellationToken cancellationToken)
    {
        List<KeyValuePair<char, string>> tokens =
        [
            .. Tokens(question),
            new('F', LogKeywords.Fingerprint(question.Config, certificate.AuthorityKey)),
            new('i', certificate.KeyId),
            new('K', Convert.ToBase64String(certificate.AuthorityKey.Blob.Span)),
            new('s', certificate.Serial.ToString(CultureInfo.InvariantCulture)),
            new('T', certificate.AuthorityKey.KeyType),
        ];
        return RunAsync("AuthorizedPrincipalsCommand", question.Config.Get(L.AuthorizedPrincipalsCommand), question.Config.Get(L.AuthorizedPrincipalsCommandUser), tokens, cancellationToken);
    }

    private static bool Has(string command) => !command.Equals("none", StringComparison.OrdinalIgnoreCase);

    private static IEnumerable<KeyValuePair<char, string>> Tokens(KeyQuestion question) =>
    [
        new('C', question.Connection),
        new('D', ""),
        new('f', LogKeywords.Fingerprint(question.Config, question.Key)),
        new('h', question.Account.HomeDirectory),
        new('k', Convert.ToBase64String(question.Key.Blob.Span)),
        new('t', question.Key.KeyType),
        new('U', question.Account.Uid.ToString(CultureInfo.InvariantCulture)),
        new('u', question.Account.Name),
    ];

    private async Task<byte[]?> RunAsync(string keyword, string command, string userName, IEnumerable<KeyValuePair<char, string>> tokens, CancellationToken cancellationToken)
    {
        if (!Has(userName))
        {
            logger.LogError("No user for {Keyword} specified, skipping", keyword);
            return null;
        }

        // Split first, expanded then: what a token stands for never becomes two words.
        if (!OpenSshLexer.TrySplit(command, comments: false, out var words) || words.Count == 0)
        {
            logger.LogError("{Keyword} \"{Command}\" contains invalid quotes", keyword, command);
            return null;
        }

        var expander = new TokenExpander(tokens);
        var (user, file, fault) = await BlockingWork.RunOrLeaveAsync(() => Check(keyword, expander.Expand(words[0]), userName), cancellationToken).ConfigureAwait(false);
        if (fault is not null || user is null || file is null || programs is null)
        {
            logger.LogError("{Fault}", fault ?? $"{keyword} cannot be run: this server starts no programs");
            return null;
        }

        try
        {
            Dictionary<string, string> environment = new()
            {
                ["PATH"] = "/usr/bin:/bin:/usr/sbin:/sbin",
                ["USER"] = user.Name,
                ["LOGNAME"] = user.Name,
                ["HOME"] = user.HomeDirectory,
            };
            var result = await programs.RunAsync(user, [file, .. words.Skip(1).Select(expander.Expand)], ReadOnlyMemory<byte>.Empty, environment, cancellationToken).ConfigureAwait(false);
            if (result.ExitCode == 0)
            {
                return result.Output;
            }

            logger.LogError("{Keyword} {Command} failed, status {Status}{Said}", keyword, words[0], result.ExitCode,
                result.Error.Length == 0 ? "" : ": " + PeerText.Escape(result.Error.TrimEnd(), 500));
        }
        catch (SshException error)
        {
            logger.LogError("{Keyword} {Command} did not run: {Reason}", keyword, command, error.Message);
        }

        return null;
    }

    /// <summary>Somebody else who could change the program could let anybody in: it, and every folder above it, is root's alone, or this process's own user's. What was looked at
    /// is what runs: the file without links on the way.</summary>
    private unsafe (UserAccount? User, string? File, string? Fault) Check(string keyword, string command, string userName)
    {
        if (users.Find(userName) is not { } user)
        {
            return (null, null, $"{keyword}User \"{PeerText.Escape(userName, 100)}\" not found");
        }

        if (UserFile.RealPath(command) is not { } file)
        {
            return (null, null, $"Could not stat {keyword} \"{command}\": {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        }

        var path = file;
        while (true)
        {
            LibC.StatxBuffer status;
            if (LibC.Statx(LibC.AtCurrentDirectory, path, 0, LibC.StatxBasic, &status) != 0)
            {
                return (null, null, $"Could not stat {keyword} \"{path}\": {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
            }

            var isSticky = (status.Mode & 0x200) != 0 && users.ProcessUid != 0;
            if ((status.Uid != 0 && status.Uid != users.ProcessUid) || ((status.Mode & GroupOrOthersWrite) != 0 && !isSticky))
            {
                return (null, null, $"Unsafe {keyword} \"{command}\": bad ownership or modes for {(path == "/" ? "directory" : "file or directory")} {path}");
            }

            if (path == "/")
            {
                return (user, file, null);
            }

            path = Path.GetDirectoryName(path) ?? "/";
        }
    }
}
